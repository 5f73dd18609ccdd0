package apikey

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey/internal/race"
)

func base64Runs(key string) []string {
	var forms keyForms
	forms.spell(newMaskedKey(key))
	return forms.all[forms.plain:]
}

// findPlainly finds what a hunt is to find in one reading of a text, and leaves nothing
// out that it could: each form is searched by itself, and each byte may be a sign.
func (h *hunt) findPlainly(r *reading) {
	text := r.text
	for at := range len(text) {
		end := at + 1
		for end < len(text) && digits62of[text[end]] != noDigit {
			end++
		}
		if text[at] == '_' && (end-at > shapeDigits || h.cut && end == len(text) && end-at > minTail) {
			h.addShape(text, at, end)
		}
	}
	for at, skip := 0, 0; at < len(text); at++ {
		switch text[at] {
		case ' ':
			h.findCredential(text, at)
		case ':', '=':
			if at >= skip {
				skip = h.findNamed(text, at)
			}
		}
	}
	h.findKeysPlainly(r)
}

func (h *hunt) findKeysPlainly(r *reading) {
	text := r.text
	for _, key := range h.keys {
		var forms keyForms
		forms.spell(key)
		for i, form := range forms.all {
			if i < forms.plain {
				h.findAll(text, form, 0)
			} else {
				h.findWithin(text, form, 0)
			}
		}
		if h.cut {
			h.findTails(text, &forms)
		}
	}
}

// requireAsPlainly requires that a hunt finds what it would find plainly.
func requireAsPlainly(t *testing.T, m *masker, text string, keys []string, cut bool) {
	t.Helper()
	h, plain := m.begin(otterPlaces, maskedKeys(keys)), hunt{names: m.names, places: otterPlaces, keys: maskedKeys(keys)}
	defer m.end(h)
	h.cut, plain.cut = cut, cut
	h.search(text)
	plain.readings[0] = reading{text: text}
	plain.read(0, (*hunt).findPlainly, escapesTogether)
	if plain.ambiguous() {
		plain.read(0, (*hunt).findKeysPlainly, escapesApart)
	}
	if found, want := h.merged(), plain.merged(); !slices.Equal(found, want) {
		t.Fatalf("found %v\nwant  %v\nin %q", found, want, text)
	}
}

var (
	huntedKeys = []string{
		maskKey, shapeText, "a-plain-custom-key", "12345678", strings.Repeat("a", 16), strings.Repeat("ab", 10), "secret", "two words here",
		strings.Repeat("long key ", 40) + "end", strings.Repeat("a", 500) + "b", `passwörd&amp;%41`, `x%41y\u0041z`,
	}
	// signedPieces make names and schemes, and most of all what is nearly one.
	signedPieces = []string{
		"password", "token", "id", "sid", "key", "API_Key", "X-ApiKey", "pin", "version", "session", "user_id", "Q", "-", "_", ".", "ö", "größe",
		":", "=", " ", `"`, `":`, `" :`, "?", "&", "<", "\n", "Bearer ", "Basic ", "BEARER ", "earer ", "basic", "YXBpOmFiY2RlZg==", "abc.def-123",
		`"pin":12345678,`, `"kennwort":{"a":[1,"}"]},`, "?key=x", "x-apikey: y\n", `secret="a b"`, strings.Repeat("x", 70), strings.Repeat(" ", 20),
	}
	escapedPieces = []string{
		"%41", "%3d", "%3A", "%22", "%20", "%5f", "%25", "%2541", "%z", `\u0041`, `\u003d`, `\n`, `\"`, `\\`, `\x3a`, `\`, "&amp;", "&#95;", "&quot;", "&ouml;", "&a;",
	}
	shapePieces = []string{shapeText, shapeText[:40], shapeText[6:], shapeText[6 : len(shapeText)-1], "otter", "otter_", "_"}
)

// randomText returns a text of n pieces, few of which say more than that they could.
func randomText(random *rand.Rand, keys []string, n int) string {
	var text strings.Builder
	names := slices.Sorted(maps.Keys(spellings))
	kinds := [][]string{signedPieces, escapedPieces, shapePieces, {"web-01", "joe", `"name":"x",`, "2026-05-01T12:30:00Z", "lorem ipsum ", strings.Repeat(".", 99)}}
	kinds = kinds[random.IntN(len(kinds)):] // not all in each text
	for range n {
		kind := kinds[random.IntN(len(kinds))]
		piece := kind[random.IntN(len(kind))]
		if key := keys[random.IntN(len(keys))]; len(key) > 5 && random.IntN(8) == 0 {
			piece = spellings[names[random.IntN(len(names))]](key)
			switch random.IntN(3) {
			case 0:
				piece = piece[:random.IntN(len(piece))]
			case 1:
				piece = piece[random.IntN(len(piece)):]
			}
		}
		text.WriteString(strings.Repeat(piece, 1+random.IntN(20)/19*9))
	}
	return text.String()
}

// TestMaskFinds: no short cut of the search misses anything, or finds more.
func TestMaskFinds(t *testing.T) {
	m := newMasker([]string{"kennwort", "q", "größe", "x y"})
	for _, body := range slices.Concat(typicalBodies, hostileBodies) {
		requireAsPlainly(t, m, body.text, []string{shapeText}, false)
	}
	random := rand.New(rand.NewPCG(1, 2)) // the same texts each time
	rounds := 1_500
	if race.Enabled() {
		rounds = 200
	}
	for range rounds {
		keys := []string{huntedKeys[random.IntN(len(huntedKeys))], huntedKeys[random.IntN(len(huntedKeys))]}
		requireAsPlainly(t, m, randomText(random, keys, random.IntN(40)), keys, random.IntN(3) == 0)
	}
}

func FuzzMaskFinds(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 40 {
		f.Add(randomText(random, huntedKeys, 10), huntedKeys[i%len(huntedKeys)], "a-plain-custom-key", i%3 == 0)
	}
	m := newMasker([]string{"kennwort", "q", "größe", "x y"})
	f.Fuzz(func(t *testing.T, text, one, two string, cut bool) {
		requireAsPlainly(t, m, text, []string{one, two}, cut)
	})
}

// TestMaskKeysAnywhere: keys of all lengths, in each form, at each place of a text, also
// of one that was made to try the patience of the search.
func TestMaskKeysAnywhere(t *testing.T) {
	m := newMasker(nil)
	step := 1
	if race.Enabled() {
		step = 7
	}
	for length := 8; length < 60; length += step {
		key := (`qa"zwsx ` + "edc+rfvtgb/yhnujmik_olpQAZWSXEDCRFVTGBYHNUJMIKOLP0123456789")[:length]
		var forms keyForms
		forms.spell(newMaskedKey(key))
		for i, form := range forms.all {
			for start := range 40 {
				text := strings.Repeat("\n", start) + form + "\n"
				requireAsPlainly(t, m, text, []string{key}, false)
				require.Contains(t, m.line(text, maskedKeys([]string{key})), redacted, "form %d of %d bytes", i, length)
			}
			trying := strings.Repeat(form[:len(form)-1]+"\n", 200)
			text := trying + form + "\n"
			if len(form) < 24 { // longer ones are rarer than patience is lost
				h := hunt{keys: maskedKeys([]string{key})}
				from := h.findGrams(text, h.formsOf(0))
				require.Less(t, from, len(text))
				for at := from - 4; at < from+4; at++ {
					requireAsPlainly(t, m, text[:at]+form+text[at+len(form):], []string{key}, false)
				}
			}
			requireAsPlainly(t, m, text, []string{key}, false)
		}
	}
}

// TestMaskSharesNothing: what is kept of a text is in no memory that is used again, and
// many texts are masked at the same time.
func TestMaskSharesNothing(t *testing.T) {
	m := newMasker(nil)
	var group sync.WaitGroup
	for client := range 8 {
		group.Go(func() {
			key := fmt.Sprintf("the-key-of-client-%d", client)
			buffer := make([]byte, 0, 1<<10)
			for i := range 200 {
				want := fmt.Sprintf(`{"client":%d,"text":"%d\n%s"}`, client, i, strings.Repeat("x", i))
				buffer = append(buffer[:0], want...)
				kept := m.body(buffer, "application/json", otterPlaces, maskedKeys([]string{key}), 1<<10)
				buffer = append(append(buffer[:0], "before "...), spellings["JSON, all escaped"](key)...)
				assert.Equal(t, "before [redacted]", m.body(buffer, "text/plain", nil, maskedKeys([]string{key}), 1<<10))
				assert.Equal(t, want, kept)
			}
		})
	}
	group.Wait()
}

// What is masked of an entry without bodies is no new text, mostly.
func TestMaskAllocatesLittle(t *testing.T) {
	if race.Enabled() {
		t.Skip("pools forget at random")
	}
	m, keys := newMasker(nil), maskedKeys([]string{shapeText})
	body := []byte(typicalBodies[0].text)
	for _, row := range []struct {
		name string
		most float64
		mask func()
	}{
		{"a path", 0, func() { m.line("/api/infrastructure/servers/web-01", keys) }},
		{"a type", 0, func() { m.line("application/json; charset=utf-8", keys) }},
		{"a long path", 0, func() { m.line("/api/"+longName, keys) }},
		{"a query", 0, func() { m.query("page=2&sort=name&text=a%20b", otterPlaces, keys) }},
		{"a body", 1, func() { m.body(body, "application/json", otterPlaces, keys, 16<<10) }},
	} {
		assert.LessOrEqual(t, testing.AllocsPerRun(500, row.mask), row.most, row.name)
	}
}

const longName = "a-name/of-more-bytes/than-a-generated-key-has/however-it-is-encoded/or-escaped"

// TestMaskLetters: what is taken for a letter without a closer look is kept as it is.
func TestMaskLetters(t *testing.T) {
	for r := rune(utf8.RuneSelf); r <= utf8.MaxRune; r++ {
		if isLetter(r) && spell(r, utf8.RuneLen(r), 0) != "" {
			t.Errorf("%U", r)
		}
	}
}

// TestMaskPairNames: however a name of a pair is spelt that is a secret's or a place's.
func TestMaskPairNames(t *testing.T) {
	m := newMasker([]string{"q", "x y", "größe", "ab cde"})
	names := slices.Concat(wholeSecretNames, endsOfSecretNames, []string{
		"key", "q", "x+y", "x%20y", "gr%C3%B6%c3%9fe", "ab+%63de", "ab+%63-de", "ab+c%64e", "ab+cd%65",
	})
	for _, name := range names {
		spelt := []string{name}
		for i := range len(name) {
			if !strings.Contains(name, "%") {
				spelt = append(spelt, fmt.Sprintf("%s%%%02x%s", name[:i], name[i], name[i+1:]))
			}
			if name != "key" && !strings.ContainsAny(name, "%+") {
				spelt = append(spelt, name[:i]+"-_"+strings.ToUpper(name[i:]), name[:i]+"%2e"+name[i:])
			}
		}
		for _, name := range spelt {
			if strings.Contains(name, "%2b") {
				continue // a plus sign, and no space
			}
			want := "a=1&" + name + "=[redacted]&b"
			require.Equal(t, want, m.query("a=1&"+name+"=abc&b", otterPlaces, nil))
			require.Equal(t, want[4:], m.body([]byte("a=1&" + name + "=abc&b")[4:], "application/x-www-form-urlencoded", otterPlaces, nil, 1000))
		}
	}
}
