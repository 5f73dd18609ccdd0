package apikey

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	maskKey   = `p@ss "w/ö\rd%41 & <more>`
	shapeText = "otter_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghi0000"
)

var otterPlaces = OtterSources()

func quoted(s string) string {
	text, _ := json.Marshal(s)
	return string(text[1 : len(text)-1]) // a key may end in a quote, too
}

// javaScript escapes single bytes by \x3c, but not what a backslash of the text comes before.
func javaScript(s string) string {
	parts := strings.Split(quoted(s), `\\`)
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(part, `\u00`, `\x`)
	}
	return strings.Join(parts, `\\`)
}

// percentThenUnicode escapes the first half one way, and the other one the other way.
func percentThenUnicode(s string) string {
	runes := []rune(s)
	half := len(runes) / 2
	return allPercent(string(runes[:half])) + allUnicode(string(runes[half:]))
}

// allPercent encodes every byte, also those that need it not.
func allPercent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02x", s[i])
	}
	return b.String()
}

func allUnicode(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return b.String()
}

func allEntities(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, "&#%d;", r)
	}
	return b.String()
}

// spellings are the forms in which a key may come back, by name.
var spellings = map[string]func(string) string{
	"as it is":                  func(s string) string { return s },
	"as a query value":          url.QueryEscape,
	"as a path segment":         url.PathEscape,
	"all percent":               allPercent,
	"percent in capitals":       func(s string) string { return strings.ReplaceAll(strings.ToUpper(allPercent(s)), "%C3%B6", "%c3%B6") },
	"percent twice":             func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
	"JSON":                      quoted,
	"JSON, all escaped":         allUnicode,
	"JSON with escaped slashes": func(s string) string { return strings.ReplaceAll(quoted(s), "/", `\/`) },
	"JSON in JSON":              func(s string) string { return quoted(quoted(s)) },
	"a URL in JSON":             func(s string) string { return quoted("/x?y=" + url.QueryEscape(s) + "&z") },
	"HTML":                      html.EscapeString,
	"HTML, all escaped":         allEntities,
	"HTML in JSON":              func(s string) string { return quoted(html.EscapeString(s)) },
	"half percent, half JSON":   percentThenUnicode,
	"base64":                    func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64 without padding":    func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
	"base64 behind a user":      func(s string) string { return base64.StdEncoding.EncodeToString([]byte("api:" + s)) },
	"base64 behind two letters": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("ab" + s + "tail")) },
	"base64 as a query value":   func(s string) string { return url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(s))) },
	"hexadecimal":               func(s string) string { return hex.EncodeToString([]byte(s)) },
	"hexadecimal in capitals":   func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
	"JavaScript":                javaScript,
}

// readings returns the text decoded in every way that an attacker could think of,
// by means other than the masker's.
func readings(text string) []string {
	all := []string{text}
	add := func(text string, err error) {
		if err == nil && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	for range 3 {
		for _, t := range slices.Clip(all) {
			add(url.QueryUnescape(t))
			add(url.PathUnescape(t))
			add(html.UnescapeString(t), nil)
			add(strings.ReplaceAll(t, `\/`, "/"), nil)
			var s string
			err := json.Unmarshal([]byte(`"`+t+`"`), &s)
			add(s, err)
		}
		if len(all) > 500 {
			break
		}
	}
	return all
}

// leaks reports the reading in which a text shows the key.
func leaks(text, key string) string {
	lower := hex.EncodeToString([]byte(key))
	for _, t := range readings(text) {
		if strings.Contains(t, key) || strings.Contains(strings.ToLower(t), lower) {
			return t
		}
		for _, run := range strings.FieldsFunc(t, func(r rune) bool { return r >= utf8.RuneSelf || !isBase64(byte(r)) }) {
			run = strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(run)
			for skip := range min(4, len(run)) {
				part := run[skip:]
				plain, _ := base64.RawStdEncoding.DecodeString(part[:len(part)/4*4])
				if strings.Contains(string(plain), key[:min(len(key), 12)]) {
					return t
				}
			}
		}
	}
	return ""
}

// TestMaskByValue: whatever spelling of the presented key, wherever in a text.
func TestMaskByValue(t *testing.T) {
	m := newMasker(nil)
	for name, spell := range spellings {
		for _, key := range []string{maskKey, "a-plain-custom-key", shapeText} {
			spelt := spell(key)
			for place, text := range map[string]string{
				"alone": spelt, "first": spelt + " and more", "last": "before " + spelt, "twice": spelt + " " + spelt,
				"in JSON": `{"a":"` + spelt + `","b":1}`, "in HTML": `<a href="/x?a=` + spelt + `">x</a>`, "in a path": "/files/" + spelt + "/x",
			} {
				for as, got := range map[string]string{
					"body":  m.body([]byte(text), "application/json", otterPlaces, maskedKeys([]string{key}), 16<<10),
					"line":  m.line(text, maskedKeys([]string{key})),
					"query": m.query(text, otterPlaces, maskedKeys([]string{key})),
				} {
					assert.Empty(t, leaks(got, key), "%s, %s, as a %s: %s", name, place, as, got)
					assert.Contains(t, got, redacted)
				}
			}
		}
	}
}

// TestMaskTwoKeys: a request that presented two different keys.
func TestMaskTwoKeys(t *testing.T) {
	got := newMasker(nil).line("/first-key-here/second-key-here/x", maskedKeys([]string{"first-key-here", "second-key-here"}))
	require.Equal(t, "/[redacted]/[redacted]/x", got)
	got = newMasker(nil).line("/first-key-here-and-more/x", maskedKeys([]string{"first-key-here", "key-here-and-more"}))
	require.Equal(t, "/[redacted]/x", got)
}

// TestMaskBase64: of base64 that a key is in, the digits at its ends go too, which
// have some of its bits.
func TestMaskBase64(t *testing.T) {
	for _, before := range []string{"", "a", "ab", "abc", "api:"} {
		for _, after := range []string{"", "x", "xy"} {
			digits := base64.RawStdEncoding.EncodeToString([]byte(before + maskKey + after))
			require.Equal(t, "a [redacted] b", newMasker(nil).line("a "+digits+" b", maskedKeys([]string{maskKey})))
		}
	}
}

// TestMaskShapes: whatever has the form of a generated key, whoever's it is.
func TestMaskShapes(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"alone", shapeText, "[redacted]"},
		{"in quotes", `{"secret_id":"` + shapeText + `"}`, `{"secret_id":"[redacted]"}`},
		{"behind letters", "my" + strings.ToUpper("id") + shapeText, "myID[redacted]"},
		{"longer than a key", shapeText + "abc!", "[redacted]!"},
		{"percent-encoded underscore", strings.Replace(shapeText, "_", "%5F", 1), "[redacted]"},
		{"JSON-escaped", strings.Replace(shapeText, "_0", `\u005f\u0030`, 1), "[redacted]"},
		{"a wrong checksum is no excuse", shapeText[:len(shapeText)-1] + "1", "[redacted]"},
		{"a digit too few", "otter_" + shapeText[7:], "otter_" + shapeText[7:]},
		{"no prefix", "_" + shapeText[6:], "_" + shapeText[6:]},
		{"a name of a constant", "SOME_" + strings.Repeat("a", 48), "SOME_" + strings.Repeat("a", 48)},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.want, newMasker(nil).line(row.text, nil))
		})
	}
}

// TestMaskNames: values behind the names of secrets.
func TestMaskNames(t *testing.T) {
	m := newMasker([]string{"x-pass-no", "Kennwort"})
	for _, row := range []struct{ name, mediaType, text, want string }{
		{"a string", "application/json", `{"password":"abc","a":1}`, `{"password":"[redacted]","a":1}`},
		{"with white space", "application/json", "{\n\t\"password\" :\t\"abc\"\n}", "{\n\t\"password\" :\t\"[redacted]\"\n}"},
		{"with escaped quotes", "application/json", `{"password":"a\"b\\","a":1}`, `{"password":"[redacted]","a":1}`},
		{"an empty one", "application/json", `{"password":"","a":1}`, `{"password":"","a":1}`},
		{"a number", "application/json", `{"pin":1234,"a":1}`, `{"pin":"[redacted]","a":1}`},
		{"an object", "application/json", `{"credentials":{"a":["}",{"b":"c"}]},"a":1}`, `{"credentials":"[redacted]","a":1}`},
		{"an array", "application/json", `{"tokens":["a"],"token":["b","c"],"a":1}`, `{"tokens":["a"],"token":"[redacted]","a":1}`},
		{"deep inside", "application/json", `[{"a":{"clientSecret":"x"}}]`, `[{"a":{"clientSecret":"[redacted]"}}]`},
		{"an escaped name", "application/json", `{"pass\u0077ord":"abc"}`, `{"pass\u0077ord":"[redacted]"}`},
		{"JSON in JSON", "application/json", `{"a":"{\"password\":\"abc\",\"b\":1}"}`, `{"a":"{\"password\":\"[redacted]\",\"b\":1}"}`},
		{"cut within the value", "application/json", `{"password":"ab`, `{"password":"[redacted]`},
		{"cut within an object", "application/json", `{"secret":{"a":[1,`, `{"secret":"[redacted]"`},
		{"the JSON source", "application/json", `{"API_Key":"ab c"}`, `{"API_Key":"[redacted]"}`},
		{"a name of the host's own", "application/json", `{"kenn_wort":"abc","X.Pass.No":5}`, `{"kenn_wort":"[redacted]","X.Pass.No":"[redacted]"}`},
		{"two words", "application/json", `{"API Key":"abc","secret key":"d"}`, `{"API Key":"[redacted]","secret key":"[redacted]"}`},
		{
			"a nested form", "application/x-www-form-urlencoded", "user[password]=a&user%5Bpassword%5D=b&token[]=c&id[]=d",
			"user[password]=[redacted]&user%5Bpassword%5D=[redacted]&token[]=[redacted]&id[]=d",
		},
		{"a nested form in a text", "text/plain", "sent user[password]=abc, tokens[0]=b", "sent user[password]=[redacted], tokens[0]=b"},
		{"TOML", "application/toml", "password = \"abc\"\ntoken =  x\nid = 5", "password = \"[redacted]\"\ntoken =  [redacted]\nid = 5"},
		{"an empty value in a log line", "text/plain", "password= user=joe", "password= user=joe"},
		{"no secrets", "application/json", `{"author":"a","monkey":"b","key":"c","basic":"d"}`, `{"author":"a","monkey":"b","key":"c","basic":"d"}`},
		{"a form", "application/x-www-form-urlencoded", "a=1&key=abc&new%50assword=x%26y&b", "a=1&key=[redacted]&new%50assword=[redacted]&b"},
		{"a URL in a text", "text/html", `<a href="/x?a=1&amp;key=abc&amp;b=2">`, `<a href="/x?a=1&amp;key=[redacted]&amp;b=2">`},
		{"a URL in JSON", "application/json", `{"u":"/x?key=abc\u0026b=2"}`, `{"u":"/x?key=[redacted]"}`},
		{"key outside a URL", "text/plain", "key=abc", "key=abc"},
		{"headers", "text/plain", "X-ApiKey: abc def\nCookie: a=b; c=d\nHost: x", "X-ApiKey: [redacted]\nCookie: [redacted]\nHost: x"},
		{"a header in JSON", "text/plain", `{"a":"Host: x\ncookie: abc"}`, `{"a":"Host: x\ncookie: [redacted]`},
		{"a bearer token", "text/plain", "sent Bearer abc.def-123 and went", "sent Bearer [redacted] and went"},
		{"basic credentials", "text/plain", "Basic YXBpOmFiY2RlZg==.", "Basic [redacted]."},
		{"either in capitals", "text/plain", "BEARER abc.def-123 or BASIC YXBpOmFiY2RlZg==", "BEARER [redacted] or BASIC [redacted]"},
		{"words", "text/plain", "the bearer certificate of basic education", "the bearer certificate of basic education"},
		{"a log line", "text/plain", `user=joe password="a b" token=xyz done`, `user=joe password="[redacted]" token=[redacted] done`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := m.body([]byte(row.text), row.mediaType, otterPlaces, nil, 16<<10)
			require.Equal(t, row.want, got)
			require.Equal(t, got, m.body([]byte(got), row.mediaType, otterPlaces, nil, 16<<10), "again")
			if row.mediaType == "application/json" && json.Valid([]byte(row.text)) {
				require.True(t, json.Valid([]byte(got)))
			}
		})
	}
	ours := []Source{FromJSON("ours"), FromHeader("X-Ours"), FromForm("ours")}
	for mediaType, row := range map[string][2]string{
		"application/json":                  {`{"ours":"abc","a":1}`, `{"ours":"[redacted]","a":1}`},
		"text/plain":                        {"x-ours: abc\nHost: x", "x-ours: [redacted]\nHost: x"},
		"application/x-www-form-urlencoded": {"a=1&ours=abc", "a=1&ours=[redacted]"},
	} {
		require.Equal(t, row[1], m.body([]byte(row[0]), mediaType, ours, nil, 100))
	}
	require.Equal(t, "a=1&key=[redacted]&sess%69on=[redacted]&key&b=%zz",
		m.query("a=1&key=abc&sess%69on=x&key&b=%zz", otterPlaces, nil))
	require.Equal(t, "key=[redacted]&b=1", m.query("key=abc&b=1", otterPlaces, nil))
	require.Equal(t, "Key=[redacted]&KEY=[redacted]", m.query("Key=abc&KEY=d", otterPlaces, nil), "as other servers take it")
	require.Equal(t, "key%3D[redacted]", m.query("key%3Dabc", otterPlaces, nil))
	require.Equal(t, "/a?key=[redacted]&b=1", m.path("/a?key=abc&b=1", otterPlaces, nil), "a question mark that was escaped")
	require.Equal(t, "/a;key=[redacted]", m.path("/a;key=abc", otterPlaces, nil))
	require.Equal(t, "/a=b/key=c", m.path("/a=b/key=c", otterPlaces, nil))
	require.Equal(t, "a=1&key=abc", m.query("a=1&key=abc", nil, nil))
}

// TestMaskAtTheCut: however a key lies across the limit, nothing of it is kept.
func TestMaskAtTheCut(t *testing.T) {
	m := newMasker(nil)
	const limit = 200
	for name, spell := range spellings {
		spelt := spell(maskKey)
		for start := limit - len(spelt) - 2; start <= limit+2; start++ {
			if start < 0 {
				continue
			}
			text := strings.Repeat(".", start) + spelt + strings.Repeat(" ", 4<<10)
			got := m.body([]byte(text)[:limit+bodySlack], "text/plain", nil, maskedKeys([]string{maskKey}), limit)
			assert.LessOrEqual(t, len(got), limit)
			for i := 0; i+8 <= len(spelt); i++ {
				if strings.Contains(got, spelt[i:i+8]) { // assert would take its time, a million times
					t.Errorf("%s at %d: %s", name, start, got)
				}
			}
		}
	}
	for cut := minTail; cut < len(shapeText); cut++ {
		text := strings.Repeat(".", bodySlack) + shapeText[:cut]
		got := m.body([]byte(text), "text/plain", nil, maskedKeys([]string{shapeText}), len(text)-1)
		assert.NotContains(t, got, shapeText[:minTail-1])
		if digits := cut - len("otter_"); digits >= minTail {
			got = m.body([]byte(text), "text/plain", nil, nil, len(text)-1)
			assert.NotContains(t, got, shapeText[:minTail-1], "whoever's it is")
		}
	}
}

// TestMaskWhereverABodyEnds: a client that goes, a handler that has read enough and one
// that writes no more can end a body within the key.
func TestMaskWhereverABodyEnds(t *testing.T) {
	m := newMasker(nil)
	for name, spell := range spellings {
		for _, key := range []string{maskKey, "a-plain-custom-key", shapeText} {
			spelt := spell(key)
			for n := range spelt {
				got := m.body([]byte("a note: "+spelt[:n]), "text/plain", nil, maskedKeys([]string{key}), 16<<10)
				whole := got // but for the escape that it may end within
				if i := strings.LastIndexAny(got, allEscapes); i >= 0 {
					whole = got[:i]
				}
				for _, text := range []string{got, whole} {
					if leaks(text, key[:12]) != "" {
						t.Errorf("%s of %q, cut at %d: %s", name, key, n, text)
					}
				}
			}
		}
	}
	ok := func(key, text string) string {
		return m.body([]byte(text), "text/plain", nil, maskedKeys([]string{key}), 100)
	}
	require.Equal(t, `k="[redacted]`, ok("größe-größe", `k="gr\xf6\xdfe-gr\xf6`))
	require.Equal(t, redacted, ok("secret-key-😀-more", `secret-key-\ud83d\ude`), "half of what two escapes mean")
	require.Equal(t, "seven: a-plain", ok("a-plain-custom-key", "seven: a-plain"))
	require.Equal(t, "eight: [redacted]", ok("a-plain-custom-key", "eight: a-plain-"))
}

// TestMaskLatin1: a key in the bytes of ISO 8859-1, which is also what some languages'
// escapes say.
func TestMaskLatin1(t *testing.T) {
	m := newMasker(nil)
	for _, row := range []struct{ key, text, want string }{
		{"pässwörd-x9", "p%E4ssw%F6rd-x9&a=1", "[redacted]&a=1"},
		{"pässwörd-x9", `k="p\xe4ssw\xf6rd-x9"`, `k="[redacted]"`},
		{"pässwörd-x9", "p\xe4ssw\xf6rd-x9", redacted},
		{"pässwörd-x9", "pässwörd-x9", redacted},
		{"pässwörd-x9", "p\xe4sswort", `p\xe4sswort`},
		{"ääää", "a %e4%e4%e4%e4 b", redacted}, // as of any other short key
		{"größe日本", "gr%f6%dfe", "gr%f6%dfe"},  // which has no such form
		{"\xe4-no-utf-8-text", "/%e4-no-utf-8-text", "/[redacted]"},
	} {
		require.Equal(t, row.want, m.query(row.text, otterPlaces, maskedKeys([]string{row.key})), row.text)
	}
}

// TestBodiesAreUTF8: what is in another charset than its type says cannot be searched.
func TestBodiesAreUTF8(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "text": true, "größe": true, "日本": true, "tab\t, \x1b and \x7f": true,
		"cut gr\xc3": true, "cut \xe6\x97": true, "cut \xf0\x9f\x98": true,
		"\xc3": true, "gr\xf6\xdfe": false, "gr\xf6": false, "\xff": false, "a\xffb": false, "\x80": false,
		"a\x00": false, "{\x00\"\x00k\x00": false, "\xff\xfe{\x00": false,
	} {
		require.Equal(t, want, isText8(text), "%q", text)
	}
}

// TestMaskShortKeys: a key that would be spelt by what is missing.
func TestMaskShortKeys(t *testing.T) {
	m := newMasker(nil)
	require.True(t, newMaskedKey("1234567").short())
	require.False(t, newMaskedKey("12345678").short())
	require.Equal(t, redacted, m.line("/a/s%65cret", maskedKeys([]string{"secret"})))
	require.Equal(t, redacted, m.line(`/a/s%65cr\u0065t`, maskedKeys([]string{"secret"})))
	require.Equal(t, "/a/b", m.line("/a/b", maskedKeys([]string{"secret"})))
	require.Equal(t, redacted, m.query("a=secret", otterPlaces, maskedKeys([]string{"secret"})))
	require.Equal(t, redacted, m.body([]byte("anything"), "text/plain", nil, maskedKeys([]string{"secret"}), 100))
	for n := 1; n < 10; n++ {
		for _, run := range base64Runs(strings.Repeat("~", n)) {
			require.GreaterOrEqual(t, len(run), minRun, "of %d bytes: what is everywhere is never found to its end", n)
		}
		require.Equal(t, "/foo bar", m.line("/foo bar", maskedKeys([]string{strings.Repeat("~", n)})))
	}
}

// TestMaskInert: what could play tricks on a terminal, a log or a reader.
func TestMaskInert(t *testing.T) {
	m := newMasker(nil)
	for text, want := range map[string]string{
		"a\r\nb\tc":            `a\r\nb\tc`,
		"\x1b[31mred":          `\x1b[31mred`,
		"a\x00b\x7f":           `a\x00b\x7f`,
		"a\xffb\xc3":           `a\xffb\xc3`,
		"a\u202eb\u2066\ufeff": `a\u202eb\u2066\ufeff`,
		"\u0085\u2028":         `\u0085\u2028`,
		"größe 日本 😀":           "größe 日本 😀",
	} {
		require.Equal(t, want, m.line(text, nil))
		require.Equal(t, want, m.query(text, nil, nil))
	}
	require.Equal(t, "a\\r\nb\tc\\x1b", m.body([]byte("a\r\nb\tc\x1b"), "text/plain", nil, nil, 100))
}

func TestMaskCaps(t *testing.T) {
	m := newMasker(nil)
	long := strings.Repeat("ö\x01", 1<<20)
	for name, got := range map[string]string{
		"line": m.line(long, maskedKeys([]string{maskKey})), "query": m.query(long, otterPlaces, maskedKeys([]string{maskKey})),
		"a giant key": m.line("/"+long, maskedKeys([]string{long})),
	} {
		require.LessOrEqual(t, len(got), maxQuery+len("…"), name)
		require.True(t, utf8.ValidString(got), name)
		require.True(t, strings.HasSuffix(got, "…"), name)
	}
	key := "a-presented-key-of-thirty-2-byte"
	beyond := m.body([]byte(strings.Repeat(key+" ", 4)+"behind the limit "+key), "text/plain", nil, maskedKeys([]string{key}), 100)
	require.Equal(t, strings.Repeat("[redacted] ", 3)+"[redacted]", beyond, "what is short enough once it is masked, and yet was not to be kept")
	longer := strings.Repeat("a text far longer than keys are, ", 100)
	require.NotContains(t, m.line("/"+strings.Repeat(".", maxLine-100)+longer, maskedKeys([]string{longer})), longer[:10])
	body := m.body([]byte(long)[:1000+bodySlack], "text/plain", nil, nil, 1000)
	require.LessOrEqual(t, len(body), 1000)
	require.True(t, utf8.ValidString(body))
}

// FuzzMask: no reading of what is kept shows the key.
func FuzzMask(f *testing.F) {
	for i, name := range []string{"JSON", "HTML", "base64", "percent twice", "half percent, half JSON", "hexadecimal"} {
		f.Add(maskKey, `{"a":"`, spellings[name]("no key at all"), `","b":2}`, uint64(i))
	}
	f.Add("a-plain-custom-key", "/x?a=", "", "&b=%", uint64(7))
	f.Add(`0ö00000000"`, "0", "0", "0", uint64(3))
	names := slices.Sorted(maps.Keys(spellings))
	f.Fuzz(func(t *testing.T, key, before, between, after string, seed uint64) {
		if len(key) < 12 || !isKeyText(key) || len(before)+len(between)+len(after) > 4<<10 ||
			strings.Contains(redacted, key) || strings.Contains(before+between+after, key[:len(key)/2]) {
			t.Skip()
		}
		random := rand.New(rand.NewPCG(seed, 1))
		spell := spellings[names[random.IntN(len(names))]]
		// Spaces keep the neighbours from becoming part of an escape or of base64.
		text := before + " " + spell(key) + " " + between + " " + spell(key) + " " + after
		m := newMasker(nil)
		for _, got := range []string{
			m.body([]byte(text), "application/json", otterPlaces, maskedKeys([]string{key}), 16<<10),
			m.line(text, maskedKeys([]string{key})), m.query(text, otterPlaces, maskedKeys([]string{key})),
		} {
			if !utf8.ValidString(got) || len(got) > 16<<10 {
				t.Fatalf("%q of %q", got, text)
			}
			if strings.Contains(got, spell(key)) && !strings.Contains(before+between+after, spell(key)) {
				t.Fatalf("%q of %q", got, text)
			}
		}
	})
}

// maskedKeys are those that an entry with these texts has, white space and all.
func maskedKeys(texts []string) (keys []maskedKey) {
	for _, text := range texts {
		if len(addMaskedKeys(nil, []string{text})) > 0 {
			keys = append(keys, newMaskedKey(text))
		}
	}
	return keys
}
