package apikeytest

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-be062aaa/apikey"
)

const (
	saysList   = "List returns the keys that q selects, by ID from last to first. No match is an empty list and no error."
	saysAfter  = "Only keys that sort behind After are listed. It need not exist any more."
	saysSearch = "Search selects keys whose ID, name, description or subject contains this text, ASCII letters " +
		"in either case. Nothing in it is a wildcard."
)

var listRules = []rule[apikey.ManagedStore]{
	{"List sorts IDs by their bytes", saysList, listSorts},
	{"List of nothing is empty", saysList, listOfNothing},
	{"List turns pages", saysAfter, listTurnsPages},
	{"List searches texts", saysSearch, listSearches},
	{"List searches page by page", saysSearch, listSearchesByPage},
}

// listIDs are in the order of their bytes, which no language's order is.
var listIDs = []string{
	"-", "0", "00", "1", "10", "2", "A", "Aa", "B", "Z", "_", "a", "a ", "a-b", "aB", "a_b", "aa", "ab", "b", "~",
}

func createListed(ctx context.Context, store apikey.ManagedStore) ([]*apikey.Key, error) {
	keys := make([]*apikey.Key, len(listIDs))
	for i, id := range listIDs {
		keys[i] = newKey(id, digest(id+", newer"), digest(id+", older"))
	}
	shuffled := slices.Concat(keys[7:], keys[:7])
	return keys, createAll(ctx, store, shuffled...)
}

func listSorts(ctx context.Context, store apikey.ManagedStore) error {
	keys, err := createListed(ctx, store)
	if err != nil {
		return err
	}
	if err := listed(ctx, store, apikey.Query{Limit: 1}, keys[len(keys)-1:]); err != nil {
		return err
	}
	if err := listed(ctx, store, apikey.Query{Limit: len(keys)}, keys); err != nil {
		return err
	}
	return listed(ctx, store, apikey.Query{Limit: 1000}, keys)
}

func listOfNothing(ctx context.Context, store apikey.ManagedStore) error {
	queries := []apikey.Query{{Limit: 10}, {Limit: 10, Search: "x"}, {Limit: 10, After: "x"}}
	for _, q := range queries {
		if err := listed(ctx, store, q, nil); err != nil {
			return err
		}
	}
	if _, err := create(ctx, store, "k"); err != nil {
		return err
	}
	for _, q := range []apikey.Query{{Limit: 10, Search: "nowhere"}, {Limit: 10, After: "k"}, {Limit: 10, After: "0"}} {
		if err := listed(ctx, store, q, nil); err != nil {
			return err
		}
	}
	return nil
}

func listTurnsPages(ctx context.Context, store apikey.ManagedStore) error {
	keys, err := createListed(ctx, store)
	if err != nil {
		return err
	}
	const limit = 3
	after := ""
	for end := len(keys); ; end -= limit {
		page := keys[max(0, end-limit):max(0, end)]
		if err := listed(ctx, store, apikey.Query{After: after, Limit: limit}, page); err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		after = page[0].ID
	}
	if err := store.Delete(ctx, "a-b"); err != nil {
		return fmt.Errorf("Delete: %w", err)
	}
	at := slices.Index(listIDs, "a-b")
	return listed(ctx, store, apikey.Query{After: "a-b", Limit: 2}, keys[at-2:at])
}

func createSearched(ctx context.Context, store apikey.ManagedStore) error {
	blank := func(id string) *apikey.Key {
		return &apikey.Key{ID: id, Credentials: []apikey.Credential{{Digest: digest(id), Hint: "hint"}}}
	}
	named := func(id, name string) *apikey.Key {
		key := blank(id)
		key.Name = name
		return key
	}
	described := blank("k08")
	described.Description = "Nightly Build"
	acting := blank("k09")
	acting.Subject = "Nightly@example.org"
	parts := blank("k10")
	parts.Name, parts.Description, parts.Subject = "one", "two", "three"
	unsearched := blank("k11")
	unsearched.Permissions = []apikey.Permission{"hidden"}
	unsearched.Metadata = map[string]string{"hidden": "hidden"}
	return createAll(
		ctx, store,
		named("k00", "100% sure"), named("k01", "under_score"), named("k02", `back\slash`), named("k03", "it's"),
		named("k04", "a*b?"), named("k05", "[x]"), named("k06", "GRÖSSE K\u0301"), named("k07", "\u212a e\u0301 İ"),
		described, acting, parts, unsearched, named("NIGHTLY", ""),
	)
}

func listSearches(ctx context.Context, store apikey.ManagedStore) error {
	if err := createSearched(ctx, store); err != nil {
		return err
	}
	for _, row := range []struct {
		search string
		want   []string
	}{
		{"nightly", []string{"k09", "k08", "NIGHTLY"}},
		{"NIGHTly", []string{"k09", "k08", "NIGHTLY"}},
		{"Y b", []string{"k08"}},
		{"%", []string{"k00"}},
		{"100%", []string{"k00"}},
		{"1%s", nil},
		{"_", []string{"k01"}},
		{"under_", []string{"k01"}},
		{`\`, []string{"k02"}},
		{`\%`, nil},
		{"'", []string{"k03"}},
		{"' OR '1'='1", nil},
		{"*", []string{"k04"}},
		{"?", []string{"k04"}},
		{"a*", []string{"k04"}},
		{"[", []string{"k05"}},
		{"[x]", []string{"k05"}},
		{"grÖsse", []string{"k06"}},
		{"größe", nil},
		{"grösse", nil},
		{"\u212a", []string{"k07"}},
		{"k\u0301", []string{"k06"}},
		{"é", nil},
		{"ı", nil},
		{"onetwo", nil},
		{"one two", nil},
		{"hidden", nil},
		{"hint", nil},
		{"  ", nil},
	} {
		keys, err := store.List(ctx, apikey.Query{Search: row.search, Limit: 100})
		if err != nil {
			return fmt.Errorf("List of %+q: %w", row.search, err)
		}
		if got := idsOf(keys); !slices.Equal(got, row.want) {
			return fmt.Errorf("List of %+q returned the keys %q, want %q", row.search, got, row.want)
		}
	}
	return nil
}

func listSearchesByPage(ctx context.Context, store apikey.ManagedStore) error {
	var odd []*apikey.Key
	for i := range 20 {
		key := newKey(fmt.Sprintf("k%02d", i), digest(fmt.Sprint("searched ", i)))
		if i%2 == 1 {
			key.Subject = "Odd One"
			odd = append(odd, key)
		}
		if err := createAll(ctx, store, key); err != nil {
			return err
		}
	}
	q := apikey.Query{Search: "odd one", Limit: 4}
	if err := listed(ctx, store, q, odd[6:]); err != nil {
		return err
	}
	q.After = odd[6].ID
	if err := listed(ctx, store, q, odd[2:6]); err != nil {
		return err
	}
	q.After = odd[2].ID
	return listed(ctx, store, q, odd[:2])
}
