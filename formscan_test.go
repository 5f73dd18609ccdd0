package apikey

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// formRows are texts of pairs, searched for the name key.
var formRows = []struct {
	name, text string
	value      string
	reason     Reason
	cut        string
}{
	{"nothing", "", "", "", ""},
	{"the pair alone", "key=v", "v", "", ""},
	{"first", "key=v&a=1", "v", "", "a=1"},
	{"last", "a=1&key=v", "v", "", "a=1"},
	{"between", "a=1&key=v&b=2", "v", "", "a=1&b=2"},
	{"name escaped", "a&%6B%65%79=v", "v", "", "a"},
	{"value escaped", "key=%76+%26", "v &", "", ""},
	{"only the first equals sign counts", "key=a=b", "a=b", "", ""},
	{"no value", "key&a", "", "", "a"},
	{"empty value", "a&key=", "", "", "a"},
	{"empty, then not", "key=&key=v", "v", "", ""},
	{"equal values", "key=v&key=%76", "v", "", ""},
	{"differing values", "key=v&key=w", "", ErrConflictingKeys, ""},
	{"bad escape", "key=%7", "", ErrMalformedRequest, ""},
	{"raw semicolon", "key=a;b", "", ErrMalformedRequest, ""},
	{"escaped semicolon", "key=a%3Bb", "a;b", "", ""},
	{"a bad escape elsewhere", "a=%zz&key=v&%=1", "v", "", "a=%zz&%=1"},
	{"empty pairs stay", "&&key=v&&", "v", "", "&&&"},
	{"an ampersand at the end stays", "a&key=v&", "v", "", "a&"},
	{"longer and shorter names", "ke=1&keys=2&key%20=3", "", "", "ke=1&keys=2&key%20=3"},
	{"a broken escape inside the name", "k%e=1&ke%7=2", "", "", "k%e=1&ke%7=2"},
	{"a plus is not an escape of a letter", "+key=1", "", "", "+key=1"},
}

func TestFormScan(t *testing.T) {
	for _, row := range formRows {
		t.Run(row.name, func(t *testing.T) {
			value, f := findPair(row.text, "key")
			if row.reason != "" {
				require.NotNil(t, f)
				require.Equal(t, row.reason, f.reason)
				return
			}
			require.Nil(t, f)
			require.Equal(t, row.value, value)
			require.Equal(t, row.cut, cutPairs(row.text, "key"))
		})
	}
}

// named reports what net/url would make of a pair's name, without the scanner.
func named(pair, name string) bool {
	raw, _, _ := strings.Cut(pair, "=")
	decoded, err := url.QueryUnescape(raw)
	return err == nil && decoded == name
}

// FuzzFormScan holds the scanner against net/url, pair by pair.
func FuzzFormScan(f *testing.F) {
	for _, row := range formRows {
		f.Add(row.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var values, kept []string
		broken := false
		for pair := range strings.SplitSeq(text, "&") {
			if !named(pair, "key") {
				kept = append(kept, pair)
				continue
			}
			_, raw, _ := strings.Cut(pair, "=")
			value, err := url.QueryUnescape(raw)
			if err != nil || strings.Contains(raw, ";") {
				broken = true
				break
			}
			if value != "" {
				values = append(values, value)
			}
		}
		value, failed := findPair(text, "key")
		differ := len(slices.Compact(values)) > 1
		switch {
		case failed != nil && failed.reason == ErrConflictingKeys:
			require.True(t, differ)
		case failed != nil:
			require.True(t, broken)
		default:
			require.False(t, broken || differ)
			require.Equal(t, strings.Join(slices.Compact(values), ""), value)
			require.Equal(t, strings.Join(kept, "&"), cutPairs(text, "key"))
		}
	})
}

func BenchmarkFormScan(b *testing.B) {
	for _, size := range []struct {
		name  string
		pairs int
	}{{"200B", 12}, {"10kB", 600}, {"1MB", 60_000}} {
		text := strings.Repeat("variable=value123&", size.pairs) + "key=v"
		b.Run(size.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, f := findPair(text, "key"); f != nil {
					b.Fatal(f)
				}
			}
		})
	}
}
