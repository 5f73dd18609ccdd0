package apikeytest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// texts are what column types, collations, escapes and normalisation spoil.
var texts = []string{
	"",
	" ",
	"trailing spaces   ",
	"  leading spaces",
	"quotes ' \" ` and ''doubled''",
	`back\slash, \n and \0 spelt out, trailing \`,
	"line\nfeed, carriage\r\nreturn and\ttab",
	"100% _under_ [range] *star* ?mark $1 :name @name {brace}",
	"<script>&amp;\u2028\u2029</script>",
	"null",
	"007",
	"1e3",
	"2026-03-29 01:30:00",
	"four bytes: 😀🔑𝔘",
	"combining: e\u0301 and é are two texts",
	"compatibility: ﬁ, Å and \u212b, K and \u212a",
	"right to left: שלום",
	"\ufeffbyte order mark",
	"Größe, İstanbul, ıı",
}

func keepsTexts(ctx context.Context, store apikey.ManagedStore) error {
	for i, text := range append([]string{strings.Repeat("🔑", 199)}, texts...) {
		key := newKey(fmt.Sprintf("key%02d", i), digest(fmt.Sprint("text ", i)))
		key.Name, key.Description, key.Subject = text, text, text
		key.Metadata = map[string]string{"text": text, text: "name"}
		if err := errors.Join(createAll(ctx, store, key), holds(ctx, store, key)); err != nil {
			return err
		}
		key.Name, key.Description, key.Subject = text+"2", text+"2", text+"2"
		if err := store.Update(ctx, key.Clone()); err != nil {
			return fmt.Errorf("Update with the text %+q: %w", text, err)
		}
		key.Version++
		if err := holds(ctx, store, key); err != nil {
			return err
		}
	}
	long := newKey("long", digest("long"))
	long.Description = strings.Repeat("🔑", 2000)
	long.Metadata = map[string]string{"long": strings.Repeat("é", 2000)}
	return errors.Join(createAll(ctx, store, long), holds(ctx, store, long))
}

func keepsTimes(ctx context.Context, store apikey.ManagedStore) error {
	for i, t := range []time.Time{
		{},
		time.Unix(0, 0),
		time.Unix(0, -1000),
		time.Date(1, time.January, 1, 0, 0, 1, 0, time.UTC),
		time.Date(1900, time.February, 28, 23, 59, 59, 999999000, time.UTC),
		time.Date(2038, time.January, 19, 3, 14, 8, 0, time.UTC),
		time.Date(9999, time.December, 31, 23, 59, 59, 999999000, time.UTC),
		time.Date(2026, time.March, 29, 2, 30, 0, 1000, time.FixedZone("+05:45", 5*60*60+45*60)),
		time.Date(2026, time.March, 29, 2, 30, 0, 123456789, time.UTC),
	} {
		key := newKey(fmt.Sprintf("key%02d", i), digest(fmt.Sprint("time ", i)))
		key.CreatedAt, key.UpdatedAt, key.ExpiresAt, key.RevokedAt, key.LastUsedAt = t, t, t, t, t
		key.Credentials[0].CreatedAt, key.Credentials[0].ExpiresAt = t, t
		if err := errors.Join(createAll(ctx, store, key), holds(ctx, store, key)); err != nil {
			return err
		}
	}
	return nil
}

func keepsCollections(ctx context.Context, store apikey.ManagedStore) error {
	none := newKey("none", digest("none"))
	none.Permissions, none.Metadata = nil, nil
	empty := newKey("empty", digest("empty"))
	empty.Permissions, empty.Metadata = []apikey.Permission{}, map[string]string{}
	odd := newKey("odd", digest("odd"))
	odd.Permissions = []apikey.Permission{"z", "a", "z:b", "retired:with-a.long_name"}
	odd.Metadata = map[string]string{"": "empty name", "empty value": "", "a.b[0]": "path", `"quoted"`: `{"json":1}`}
	many := newKey("many", digest("many"))
	for i := range 500 {
		many.Permissions = append(many.Permissions, apikey.Permission(fmt.Sprintf("category%d:action%d", i, i)))
	}
	for _, key := range []*apikey.Key{none, empty, odd, many} {
		if err := errors.Join(createAll(ctx, store, key), holds(ctx, store, key)); err != nil {
			return err
		}
	}
	return nil
}
