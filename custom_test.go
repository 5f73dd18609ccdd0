package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

func legalTexts() []string {
	return []string{
		"a",
		"secure123",
		"my key with spaces inside",
		`"quoted" \ and 'more'`,
		"<script>alert(1)</script>",
		"'; DROP TABLE keys; --",
		"%00%0a",
		"a,b;c=d&e#f?g",
		"ключ-доступа",
		"鍵",
		"🔑",
		"e\u0301",    // a combining accent
		"\u0301e",    // one that has nothing to combine with
		"a\u200bb",   // a zero-width space, which is no white space to Unicode
		"a\u202ebc",  // right-to-left override
		"\ufeffabc",  // a byte-order mark
		"a\u00a0b",   // a no-break space inside
		"a\ufffdb",   // the replacement character, properly encoded
		"\U0010ffff", // the last code point
		strings.Repeat("k", 256),
		strings.Repeat("é", 128),
	}
}

func illegalTexts() []string {
	return []string{
		"",
		" ",
		" leading",
		"trailing ",
		"trailing\u00a0",
		"\u2003leading em space",
		"trailing\u3000",
		"\u2028leading line separator",
		"tab\tinside",
		"line\nbreak",
		"line\r\n",
		"nul\x00inside",
		"\x00",
		"escape\x1b[0m",
		"delete\x7f",
		"c1 control\u0085",
		"c1 \u0090 control",
		"bad UTF-8 \xff",
		"cut off \xc3",
		"overlong \xc0\xaf",
		"surrogate \xed\xa0\x80",
		"beyond Unicode \xf4\x90\x80\x80",
		strings.Repeat("k", 257),
		strings.Repeat("é", 128) + "k",
		strings.Repeat("k", 1<<20),
	}
}

// requireFieldError checks that err is about that field, and returns what is wrong
// with it.
func requireFieldError(t testing.TB, err error, field string) (problem string) {
	t.Helper()
	var e *apikey.FieldError
	require.ErrorAs(t, err, &e)
	require.Equal(t, field, e.Field)
	return e.Problem
}

func TestACustomKeyCanBeAnythingButIllegal(t *testing.T) {
	for _, text := range legalTexts() {
		t.Run(strconv.QuoteToASCII(text)[:min(40, len(strconv.QuoteToASCII(text)))], func(t *testing.T) {
			auth := newAuthority(t, nil)
			key := issueCustom(t, auth, text)
			found, err := auth.Authenticate(t.Context(), text)
			require.NoError(t, err)
			assert.Equal(t, key.ID, found.ID)
			assert.Empty(t, key.Hints())

			rotated, err := auth.RotateCustom(t.Context(), key.ID, 0, text+"2")
			if len(text) < 256 {
				require.NoError(t, err)
				assert.Equal(t, key.ID, rotated.ID)
			} else {
				requireFieldError(t, err, "key")
			}
		})
	}
}

func TestAnIllegalTextIsRefusedByNameWhereverItComesIn(t *testing.T) {
	for _, text := range illegalTexts() {
		t.Run(strconv.QuoteToASCII(text)[:min(40, len(strconv.QuoteToASCII(text)))], func(t *testing.T) {
			store := countingStore()
			auth, err := apikey.New(t.Context(), store, nil)
			require.NoError(t, err)
			if text != "" { // which asks Bootstrap for a generated one
				_, _, err = auth.Bootstrap(t.Context(), apikey.KeySpec{}, text)
				requireFieldError(t, err, "key")
			}
			_, err = auth.IssueCustom(t.Context(), apikey.KeySpec{}, text)
			problem := requireFieldError(t, err, "key")
			assert.Contains(t, problem, "1 to 256 bytes of UTF-8", "it says what is legal")
			if len(text) > 3 {
				assert.NotContains(t, err.Error(), text)
			}

			key, _ := issue(t, auth, apikey.KeySpec{})
			_, err = auth.RotateCustom(t.Context(), key.ID, 0, text)
			requireFieldError(t, err, "key")

			_, err = auth.Authenticate(t.Context(), text)
			want := apikey.ErrMalformedKey
			if text == "" {
				want = apikey.ErrNoKey
			}
			require.ErrorIs(t, err, want)
			require.Zero(t, store.lookups.Load(), "the store never sees it")
		})
	}
}

func TestTextAndSpecMistakesAreReportedTogether(t *testing.T) {
	auth := newAuthority(t, nil)
	_, err := auth.IssueCustom(t.Context(), apikey.KeySpec{Name: "a\nb", Permissions: []apikey.Permission{"nonsense"}}, "a\x00b")
	assert.Equal(t, []string{"key", "name", "permissions"}, fieldsOf(err))
}

func TestNothingInACustomKeyIsNormalised(t *testing.T) {
	rows := []struct{ name, text, lookalike string }{
		{"case", "Secure123", "secure123"},
		{"composed and decomposed", "caf\u00e9", "cafe\u0301"},
		{"decomposed and composed", "cafe\u0301", "caf\u00e9"},
		{"full width", "key\uff11\uff12\uff13", "key123"},
		{"ligature", "o\ufb03ce", "office"},
		{"Kelvin sign", "\u212aelvin", "Kelvin"},
		{"long s", "\u017fecret", "secret"},
		{"Turkish dotless i", "\u0131d", "id"},
		{"Cyrillic a", "p\u0430ss", "pass"},
		{"no-break space", "a\u00a0b", "a b"},
		{"two spaces", "a  b", "a b"},
		{"zero-width space", "a\u200bb", "ab"},
		{"byte-order mark", "\ufeffkey", "key"},
		{"percent escapes", "a%20b", "a b"},
		{"plus", "a+b", "a b"},
		{"HTML entity", "a&amp;b", "a&b"},
		{"quotes", `"key"`, "key"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			auth := newAuthority(t, nil)
			issueCustom(t, auth, row.text)
			_, err := auth.Authenticate(t.Context(), row.lookalike)
			require.ErrorIs(t, err, apikey.ErrUnknownKey)

			second := issueCustom(t, auth, row.lookalike) // no conflict: another text
			found, err := auth.Authenticate(t.Context(), row.lookalike)
			require.NoError(t, err)
			require.Equal(t, second.ID, found.ID)
		})
	}
}

func weakTexts() []string {
	return []string{
		"a", "secure123", "password", "P@ssw0rd!", "hunter2", "correct horse battery staple", "changeme-changeme",
		strings.Repeat("a", 256), strings.Repeat("0", 64),
		"abcdefghijklmnopqrstuvwxyz0123456789", "zyxwvutsrqponmlkjihgfedcba9876543210", "01234567890123456789012345678901234567890123456789",
		"qwertyuiopasdfghjklzxcvbnm1234567890",
		"00000000-0000-0000-0000-000000000000",
		"550e8400-e29b-41d4-a716-446655440000", "123e4567-e89b-12d3-a456-426614174000", // in every documentation
		"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"2026-07-14T12:00:00Z",
		"4111111111111111",
		"Xk9$mQ2z", // random, but short
		"V7tJq0xLw3RbZ8",
	}
}

func strongTexts() []string {
	return []string{
		"9b2e1c74-6f0a-4d83-b1e5-7c3a90d4f862",                             // UUID
		"9B2E1C74-6F0A-4D83-B1E5-7C3A90D4F862",                             // the same in upper case
		"9b2e1c746f0a4d83b1e57c3a90d4f862",                                 // without hyphens
		"4b825dc642cb6eb9a060e54bf8d69288fbee4904",                         // 40 hexadecimal digits
		"c0ffee254729296a45a3885639ac7e10f9d54979a1b2c3d4e5f60718293a4b5c", // 64
		"Zk3vQ8hT1yLw5RbN0xJq7mPfD2sGcU9aE4iKo6tX",                         // 40 letters and digits
		"q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",                     // base64 of 32 bytes
		"ghp_R8kWz3LmQ0tVb7XyN5cJ2fHs9dPaG4eU1iTo",
		"sk_live_9aVq3Zt0Lw7RbXk2Jm5NhPcY",
		"correct horse battery staple violin harbour quartz lantern tomato glacier",
	}
}

func TestGuessableTextsAreWeakAndRandomOnesAreNot(t *testing.T) {
	for _, text := range weakTexts() {
		assert.True(t, apikey.IsWeak(text), "%q has %.0f bits", text, apikey.EstimateBits(text))
	}
	for _, text := range strongTexts() {
		assert.False(t, apikey.IsWeak(text), "%q has %.0f bits", text, apikey.EstimateBits(text))
	}
}

// Whoever guesses passwords tries each of them doubled and tripled as well.
func TestAWeakTextIsNoStrongerForBeingRepeated(t *testing.T) {
	for _, text := range []string{"password", "Password1!", "secret-", "changeme ", "ac", "qz7"} {
		repeated := strings.TrimSpace(strings.Repeat(text, 128/len(text)))
		assert.True(t, apikey.IsWeak(repeated), "%q has %.0f bits", repeated, apikey.EstimateBits(repeated))
	}
}

// What machines make by the million must not be flagged, or the flag is ignored.
func TestRandomTextsOfUsualFormsAreHardlyEverWeak(t *testing.T) {
	const samples = 2000
	var random *rand.Rand
	pick := func(alphabet string, n int) string {
		text := make([]byte, n)
		for i := range text {
			text[i] = alphabet[random.IntN(len(alphabet))]
		}
		return string(text)
	}
	const hexadecimal = "0123456789abcdef"
	rows := map[string]func() string{
		"UUID": func() string {
			h := pick(hexadecimal, 32)
			return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
		},
		"UUID without hyphens":      func() string { return pick(hexadecimal, 32) },
		"40 hexadecimal digits":     func() string { return pick(hexadecimal, 40) },
		"64 hexadecimal digits":     func() string { return pick(hexadecimal, 64) },
		"32 letters and digits":     func() string { return pick(apikey.Base62, 32) },
		"base64 of 24 bytes":        func() string { return pick(apikey.Base62+"+/", 32) },
		"base64 of 32 bytes":        func() string { return pick(apikey.Base62+"-_", 43) + "=" },
		"52 lower-case and digits":  func() string { return pick("abcdefghijklmnopqrstuvwxyz234567", 52) },
		"what RefuseWeak advises":   func() string { return pick(apikey.Base62, advisedLength(t)) },
		"24 printable ASCII":        func() string { return pick(printable(), 24) },
		"a generated key's 43 only": func() string { return pick(apikey.Base62, 43) },
	}
	for name, sample := range rows {
		t.Run(name, func(t *testing.T) {
			random = rand.New(rand.NewPCG(1, 2))
			weak := 0
			for range samples {
				if apikey.IsWeak(sample()) {
					weak++
				}
			}
			assert.Less(t, float64(weak)/samples, 0.03, "%d of %d are flagged as weak", weak, samples)
		})
	}
}

func printable() string {
	var b strings.Builder
	for c := '!'; c <= '~'; c++ {
		b.WriteRune(c)
	}
	return b.String()
}

// advisedLength is the number of random letters and digits that RefuseWeak asks
// for in its error.
func advisedLength(t *testing.T) int {
	t.Helper()
	err := apikey.RefuseWeak(t.Context(), apikey.NewSecret("weak"), true)
	n, convErr := strconv.Atoi(regexp.MustCompile(`\d+`).FindString(err.Error()))
	require.NoError(t, convErr)
	return n
}

func TestAWeakTextIsAcceptedAndFlagged(t *testing.T) {
	auth := newAuthority(t, nil)
	weak := issueCustom(t, auth, "secure123")
	assert.True(t, weak.Weak())
	stored, err := auth.Key(t.Context(), weak.ID)
	require.NoError(t, err)
	assert.True(t, stored.Weak())

	strong, err := auth.RotateCustom(t.Context(), weak.ID, 0, strongTexts()[0])
	require.NoError(t, err)
	assert.False(t, strong.Weak(), "the flag belongs to the text, not to the key")
}

func TestAKeyIsWeakAsLongAsAWeakTextOpensIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newAuthority(t, nil)
		key := issueCustom(t, auth, "secure123")
		rotated, err := auth.RotateCustom(t.Context(), key.ID, time.Hour, strongTexts()[0])
		require.NoError(t, err)
		assert.True(t, rotated.Weak(), "while the rotation overlaps")
		time.Sleep(time.Hour - time.Nanosecond)
		requireOpens(t, auth, "secure123", key.ID)
		assert.True(t, rotated.Weak())
		time.Sleep(time.Nanosecond)
		requireRefused(t, auth, "secure123", apikey.ErrKeyExpired)
		assert.False(t, rotated.Weak())
	})
}

func TestRefuseWeakRefusesWeakTextsAlone(t *testing.T) {
	auth := newAuthority(t, &apikey.Options{CustomPolicy: apikey.RefuseWeak})
	for _, text := range weakTexts() {
		_, err := auth.IssueCustom(t.Context(), apikey.KeySpec{}, text)
		problem := requireFieldError(t, err, "key")
		assert.Contains(t, problem, "let one be generated")
		if len(text) > 1 {
			assert.NotContains(t, err.Error(), text)
		}
	}
	for _, text := range strongTexts() {
		issueCustom(t, auth, text)
	}
	_, _, err := auth.Bootstrap(t.Context(), apikey.KeySpec{}, "secure123")
	require.ErrorIs(t, err, apikey.ErrBootstrapped, "a store that holds keys is left alone")
	_, _, err = newAuthority(t, &apikey.Options{CustomPolicy: apikey.RefuseWeak}).Bootstrap(t.Context(), apikey.KeySpec{}, "secure123")
	requireFieldError(t, err, "key")
}

func TestAHostsOwnPolicyJudgesEveryLegalCustomText(t *testing.T) {
	type verdict struct {
		text string
		weak bool
	}
	var asked []verdict
	errBreached := errors.New("it was found in a breach")
	auth := newAuthority(t, &apikey.Options{CustomPolicy: func(_ context.Context, text apikey.Secret, weak bool) error {
		asked = append(asked, verdict{text.Reveal(), weak})
		if strings.HasPrefix(text.Reveal(), "breached") {
			return fmt.Errorf("%w: %v (%#v)", errBreached, text, text)
		}
		return nil
	}})
	key := issueCustom(t, auth, strongTexts()[0])

	_, err := auth.IssueCustom(t.Context(), apikey.KeySpec{}, "breached-1")
	problem := requireFieldError(t, err, "key")
	assert.Contains(t, problem, "it was found in a breach", "the reason reaches the administrator")
	assert.NotContains(t, err.Error(), "breached-1", "and the text does not, even where the policy prints it")
	_, err = auth.RotateCustom(t.Context(), key.ID, 0, "breached-2")
	requireFieldError(t, err, "key")
	_, _, err = newAuthority(t, &apikey.Options{CustomPolicy: apikey.RefuseWeak}).Bootstrap(t.Context(), apikey.KeySpec{}, "weak")
	requireFieldError(t, err, "key")
	_, err = auth.IssueCustom(t.Context(), apikey.KeySpec{}, "illegal\n")
	require.Error(t, err)
	issue(t, auth, apikey.KeySpec{})

	assert.Equal(t, []verdict{{strongTexts()[0], false}, {"breached-1", true}, {"breached-2", true}}, asked,
		"it is not asked about illegal and generated texts")
}

// A policy that could not decide is no verdict: its caller has to see the cause.
func TestAPolicysErrorCanBeUnwrapped(t *testing.T) {
	auth := newAuthority(t, &apikey.Options{CustomPolicy: func(context.Context, apikey.Secret, bool) error {
		return context.DeadlineExceeded
	}})
	_, err := auth.IssueCustom(t.Context(), apikey.KeySpec{}, "some text")
	requireFieldError(t, err, "key")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestATextInUseIsRefusedWhateverTheStateOfItsKey(t *testing.T) {
	const text = "taken"
	rows := map[string]func(t *testing.T, auth *apikey.Authority, key *apikey.Key){
		"active": nil,
		"disabled": func(t *testing.T, auth *apikey.Authority, key *apikey.Key) {
			t.Helper()
			disable(t, auth, key)
		},
		"revoked": func(t *testing.T, auth *apikey.Authority, key *apikey.Key) {
			t.Helper()
			_, err := auth.Revoke(t.Context(), key.ID)
			require.NoError(t, err)
		},
		"rotated, within the overlap": func(t *testing.T, auth *apikey.Authority, key *apikey.Key) {
			t.Helper()
			_, _, err := auth.Rotate(t.Context(), key.ID, 1)
			require.NoError(t, err)
		},
	}
	for name, bring := range rows {
		t.Run(name, func(t *testing.T) {
			auth := newAuthority(t, nil)
			key := issueCustom(t, auth, text)
			if bring != nil {
				bring(t, auth, key)
			}

			_, err := auth.IssueCustom(t.Context(), apikey.KeySpec{}, text)
			require.ErrorIs(t, err, apikey.ErrInUse)
			other := issueCustom(t, auth, "other")
			_, err = auth.RotateCustom(t.Context(), other.ID, 0, text)
			require.ErrorIs(t, err, apikey.ErrInUse)
			found, err := auth.Authenticate(t.Context(), "other")
			require.NoError(t, err, "a refused rotation changes nothing")
			require.Equal(t, other.ID, found.ID)

			require.NoError(t, auth.Delete(t.Context(), key.ID))
			issueCustom(t, auth, text) // with the key goes its claim
		})
	}
}

func disable(t testing.TB, auth *apikey.Authority, key *apikey.Key) *apikey.Key {
	t.Helper()
	spec := key.Spec()
	spec.Disabled = true
	disabled, err := auth.Update(t.Context(), key.ID, key.Version, spec)
	require.NoError(t, err)
	return disabled
}

func TestOfManyWhoWantTheSameTextOneGetsIt(t *testing.T) {
	for range 20 {
		// Nobody finds it in use before everybody has looked.
		store := &hookedStore{MemoryStore: apikey.NewMemoryStore()}
		auth := nodeOver(t, store)
		keys := []*apikey.Key{issueCustom(t, auth, "one to rotate"), issueCustom(t, auth, "another")}
		errs := make(chan error, 8)
		var looked sync.WaitGroup
		looked.Add(cap(errs))
		store.afterLookup = func() { looked.Done(); looked.Wait() }
		for n := range cap(errs) {
			go func() {
				var err error
				if n < len(keys) {
					_, err = auth.RotateCustom(t.Context(), keys[n].ID, 0, "wanted")
				} else {
					_, err = auth.IssueCustom(t.Context(), apikey.KeySpec{}, "wanted")
				}
				errs <- err
			}()
		}
		made := 0
		for range cap(errs) {
			if err := <-errs; err == nil {
				made++
			} else {
				require.ErrorIs(t, err, apikey.ErrInUse)
			}
		}
		require.Equal(t, 1, made)
	}
}
