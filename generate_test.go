package apikey_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// issue makes a key with a generated text and returns both.
func issue(t testing.TB, auth *apikey.Authority, spec apikey.KeySpec) (*apikey.Key, string) {
	t.Helper()
	key, secret, err := auth.Issue(t.Context(), spec)
	require.NoError(t, err)
	return key, secret.Reveal()
}

// aCountingStore counts how often it is asked.
type aCountingStore struct {
	*apikey.MemoryStore
	lookups atomic.Int64
}

func (s *aCountingStore) Lookup(ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
	s.lookups.Add(1)
	return s.MemoryStore.Lookup(ctx, d)
}

func countingStore() *aCountingStore { return &aCountingStore{MemoryStore: apikey.NewMemoryStore()} }

func TestGeneratedKeyIsAPrefixAndFortyNineLettersAndDigits(t *testing.T) {
	for prefix, want := range map[string]string{
		"":      `^apik_[0-9A-Za-z]{49}$`,
		"x":     `^x_[0-9A-Za-z]{49}$`,
		"otter": `^otter_[0-9A-Za-z]{49}$`,
		"a1b2c": `^a1b2c_[0-9A-Za-z]{49}$`,
	} {
		key, text := issue(t, newAuthority(t, &apikey.Options{Prefix: prefix}), apikey.KeySpec{})
		assert.Regexp(t, want, text)
		assert.LessOrEqual(t, len(text), 55, "the text and its padding fill one SHA-256 block")
		assert.Equal(t, []string{text[len(text)-4:]}, key.Hints(), "the hint is the last four characters")
		assert.False(t, key.Weak())
		assert.False(t, apikey.IsWeak(text))
		assert.Zero(t, key.Credentials[0].Digest, "which is the store's alone")
	}
}

func TestPrefixIsALowerCaseLetterAndUpToFourMoreOrDigits(t *testing.T) {
	for _, prefix := range []string{"a", "z9", "apik", "abcde", "a0000"} {
		_, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Prefix: prefix})
		require.NoError(t, err, prefix)
	}
	for _, prefix := range []string{"abcdef", "1a", "9", "A", "aB", "a_", "_", "a-b", "é", "aé", " a", "a ", "a\n"} {
		_, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Prefix: prefix})
		require.ErrorContains(t, err, "prefix", "%q", prefix)
	}
}

func TestGeneratedKeysAreAllDifferentAndUseTheWholeAlphabetEvenly(t *testing.T) {
	const keys = 2000
	auth := newAuthority(t, nil)
	texts := map[string]bool{}
	counts := map[rune]int{}
	for range keys {
		_, text := issue(t, auth, apikey.KeySpec{})
		texts[text] = true
		for _, r := range text[len("apik_")+1 : len("apik_")+43] { // without the first digit, which 256 bits do not fill
			counts[r]++
		}
	}
	require.Len(t, texts, keys)
	require.Len(t, counts, 62)
	for r, n := range counts {
		expected := float64(keys*42) / 62
		assert.InDelta(t, expected, n, 6*math.Sqrt(expected), "%c", r)
	}
}

func TestKeysOfAnEarlierPrefixStayValid(t *testing.T) {
	store := apikey.NewMemoryStore()
	before, err := apikey.New(t.Context(), store, &apikey.Options{Prefix: "old"})
	require.NoError(t, err)
	_, old := issue(t, before, apikey.KeySpec{})
	after, err := apikey.New(t.Context(), store, &apikey.Options{Prefix: "new"})
	require.NoError(t, err)
	_, fresh := issue(t, after, apikey.KeySpec{})

	for _, text := range []string{old, fresh} {
		for _, auth := range []*apikey.Authority{before, after} {
			_, err := auth.Authenticate(t.Context(), text)
			require.NoError(t, err)
		}
	}
}

func TestIDsSortByAge(t *testing.T) {
	t.Run("ten thousand in a row", func(t *testing.T) {
		requireSortedIDs(t, newAuthority(t, nil), 10_000)
	})
	t.Run("while the clock stands still", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { requireSortedIDs(t, newAuthority(t, nil), 1000) })
	})
	t.Run("while the clock goes back", func(t *testing.T) {
		now, last := time.Now(), ""
		for i := range 1000 {
			id := apikey.NewID(now.Add(-time.Duration(i) * time.Millisecond))
			require.Less(t, last, id)
			last = id
		}
	})
	t.Run("as its bytes say", func(t *testing.T) {
		require.Regexp(t, `^[0-9a-v]{26}$`, apikey.NewID(time.Now()))
	})
}

func requireSortedIDs(t *testing.T, auth *apikey.Authority, n int) {
	t.Helper()
	last := ""
	for range n {
		key, _ := issue(t, auth, apikey.KeySpec{})
		require.Less(t, last, key.ID)
		last = key.ID
	}
}

func TestIDsAreUniqueAndSortWithinEachOfManyGoroutines(t *testing.T) {
	const workers, each = 8, 2000
	made := make([][]string, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range each {
				made[w] = append(made[w], apikey.NewID(time.Now()))
			}
		})
	}
	wg.Wait()
	unique := map[string]bool{}
	for _, ids := range made {
		require.True(t, slices.IsSorted(ids))
		for _, id := range ids {
			unique[id[:13]] = true // the time alone, in 64 of 65 bits
		}
	}
	require.Len(t, unique, workers*each, "each moment is given out once")
}

// FuzzKeyText holds the functions that see texts before anybody is authenticated
// against slower ones that are easier to believe.
func FuzzKeyText(f *testing.F) {
	for _, text := range slices.Concat(legalTexts(), illegalTexts(), weakTexts(), strongTexts()) {
		f.Add(text)
	}
	f.Add("apik_" + strings.Repeat("0", 49))
	f.Fuzz(func(t *testing.T, text string) {
		legal := text != "" && len(text) <= 256 && utf8.ValidString(text) &&
			strings.TrimFunc(text, unicode.IsSpace) == text && !strings.ContainsFunc(text, unicode.IsControl)
		require.Equal(t, legal, apikey.IsKeyText(text))

		if apikey.IsMistyped(text) {
			require.Regexp(t, generatedShape, text)
			require.True(t, legal)
			require.False(t, apikey.IsMistyped(text+"0") && len(text) == 55)
		} else if generatedShape.MatchString(text) {
			require.True(t, apikey.IsMistyped(swapLast(text)), "two checksums for one body")
		}

		bits := apikey.EstimateBits(text)
		if !legal {
			return
		}
		require.False(t, math.IsNaN(bits) || math.IsInf(bits, 0))
		require.GreaterOrEqual(t, bits, 0.0)
		require.LessOrEqual(t, bits, 8*float64(utf8.RuneCountInString(text)))
		if utf8.RuneCountInString(text) < 14 {
			require.True(t, apikey.IsWeak(text), "fourteen characters of eight bits are the least")
		}
	})
}
