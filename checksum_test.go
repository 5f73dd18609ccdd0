package apikey_test

import (
	"hash/crc32"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

func TestChecksumIsThatOfTheStandardLibraryForEveryLength(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		text := make([]byte, n)
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		require.Equal(t, crc32.ChecksumIEEE(text), apikey.Checksum(string(text)), "%d bytes", n)
	}
}

// BenchmarkChecksum is of what the checksum of a generated key is made from.
func BenchmarkChecksum(b *testing.B) {
	text := "apik_" + strings.Repeat("0", 43)
	b.Run("own", func(b *testing.B) {
		for b.Loop() {
			apikey.Checksum(text)
		}
	})
	b.Run("standard", func(b *testing.B) {
		for b.Loop() {
			crc32.ChecksumIEEE([]byte(text))
		}
	})
}

// The checksum written a second time, from the standard library's parts.
func TestChecksumIsTheCRC32OfAllBeforeItInBase62(t *testing.T) {
	for _, prefix := range []string{"apik", "k", "build"} {
		_, text := issue(t, newAuthority(t, &apikey.Options{Prefix: prefix}), apikey.KeySpec{})
		before, digits := text[:len(text)-6], text[len(text)-6:]
		sum := uint64(0)
		for _, digit := range digits {
			sum = sum*62 + uint64(strings.IndexRune(apikey.Base62, digit))
		}
		assert.EqualValues(t, crc32.ChecksumIEEE([]byte(before)), sum)
	}
}

// generatedShape is what is refused unless its checksum is right.
var generatedShape = regexp.MustCompile(`^[a-z][a-z0-9]{0,4}_[0-9A-Za-z]{49}$`)

func TestNoByteButADigitOfBase62IsPartOfTheShape(t *testing.T) {
	_, text := issue(t, newAuthority(t, nil), apikey.KeySpec{})
	for at := range len(text) {
		for c := range 256 {
			slip := text[:at] + string([]byte{byte(c)}) + text[at+1:]
			shaped := slip != text && generatedShape.MatchString(slip)
			require.Equal(t, shaped, apikey.IsMistyped(slip), "byte %#x at %d", c, at)
		}
	}
}

func TestEverySlipOfOneCharacterIsNoticed(t *testing.T) {
	auth := newAuthority(t, nil)
	for range 20 {
		_, text := issue(t, auth, apikey.KeySpec{})
		require.False(t, apikey.IsMistyped(text))
		noticed := func(slip, what string, at int) {
			// A text of another shape may be somebody's custom key: the store tells.
			require.Equal(t, generatedShape.MatchString(slip), apikey.IsMistyped(slip), "%s at %d", what, at)
		}
		for i := range len(text) {
			for _, c := range apikey.Base62 + "_-. é" {
				if string(c) != text[i:i+1] {
					noticed(text[:i]+string(c)+text[i+1:], "another character", i)
				}
			}
			if i > 0 && text[i] != text[i-1] {
				noticed(text[:i-1]+text[i:i+1]+text[i-1:i]+text[i+1:], "two neighbours swapped", i)
			}
			noticed(text[:i]+text[i+1:], "a character lost", i)
			noticed(text[:i+1]+text[i:], "a character doubled", i)
		}
	}
}

func TestOnlyTheExactShapeOfAGeneratedKeyIsJudgedByItsChecksum(t *testing.T) {
	_, text := issue(t, newAuthority(t, nil), apikey.KeySpec{})
	body := text[len("apik_"):]
	wrong := strings.Map(func(r rune) rune { // every character replaced by the next
		return rune(apikey.Base62[(strings.IndexRune(apikey.Base62, r)+1)%62])
	}, body)
	rows := []struct {
		name     string
		text     string
		mistyped bool
	}{
		{"as issued", text, false},
		{"another body", "apik_" + wrong, true},
		{"another prefix", "other_" + body, true},
		{"the shortest prefix", "a_" + wrong, true},
		{"a prefix too long", "sixchr_" + wrong, false},
		{"no prefix", "_" + wrong, false},
		{"no underscore", "apik" + wrong, false},
		{"another separator", "apik-" + wrong, false},
		{"an upper-case prefix", "APIK_" + wrong, false},
		{"a prefix that begins with a digit", "1pik_" + wrong, false},
		{"one character short", "apik_" + wrong[1:], false},
		{"one character more", "apik_" + wrong + "0", false},
		{"a space behind", "apik_" + wrong + " ", false},
		{"a character outside the alphabet", "apik_" + wrong[:20] + "-" + wrong[21:], false},
		{"a full-width digit", "apik_" + wrong[:20] + "0" + wrong[23:], false},
		{"empty", "", false},
		{"a short text", "abc", false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			assert.Equal(t, row.mistyped, apikey.IsMistyped(row.text))
		})
	}
}

func TestAMistypedKeyIsRefusedBeforeTheStoreIsAsked(t *testing.T) {
	store := countingStore()
	auth, err := apikey.New(t.Context(), store, nil)
	require.NoError(t, err)
	_, text := issue(t, auth, apikey.KeySpec{})
	store.lookups.Store(0)

	slip := swapLast(text)
	_, err = auth.Authenticate(t.Context(), slip)
	require.ErrorIs(t, err, apikey.ErrMalformedKey)
	require.Zero(t, store.lookups.Load())

	_, err = auth.Authenticate(t.Context(), text)
	require.NoError(t, err)
	require.EqualValues(t, 1, store.lookups.Load())
}

// swapLast returns the text with another last character.
func swapLast(text string) string {
	last := "0"
	if strings.HasSuffix(text, last) {
		last = "1"
	}
	return text[:len(text)-1] + last
}

func TestACustomKeyOfTheGeneratedShapeNeedsARightChecksum(t *testing.T) {
	_, elsewhere := issue(t, newAuthority(t, nil), apikey.KeySpec{})
	auth := newAuthority(t, nil)

	_, err := auth.IssueCustom(t.Context(), apikey.KeySpec{}, swapLast(elsewhere))
	var field *apikey.FieldError
	require.ErrorAs(t, err, &field, "nobody could ever use it")
	assert.Equal(t, "key", field.Field)

	key := issueCustom(t, auth, elsewhere) // moved here from another server
	assert.Empty(t, key.Hints(), "nothing is kept of a custom text")
	_, err = auth.RotateCustom(t.Context(), key.ID, 0, swapLast(elsewhere))
	require.ErrorAs(t, err, &field)
	_, err = auth.Authenticate(t.Context(), elsewhere)
	require.NoError(t, err)
}
