package apikey

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// minTail is how much of a key or of a generated key's shape is told from
	// other text where the rest is cut off.
	minTail = 8
	// minRun is how many digits of base64 are looked for at least: one or two, of a
	// key of as many bytes, are in every word.
	minRun = 3
)

// A maskedKey is a presented text, which is looked for in several forms.
type maskedKey struct {
	text  string
	least int // the length of the shortest form
}

func newMaskedKey(text string) maskedKey {
	key := maskedKey{text, len(text)}
	if isLatin1(text) {
		key.least = utf8.RuneCountInString(text)
	}
	return key
}

// short reports whether a key has too few bytes to be masked by its value: where it
// is missing would show what it is.
func (k maskedKey) short() bool { return k.least < minTail }

// isLatin1 reports whether a text has another form in ISO 8859-1, which is also what
// escapes like \xe4 and %E4 mean in some languages.
func isLatin1(text string) bool {
	odd := false
	for _, r := range text {
		if odd = odd || r >= utf8.RuneSelf; r > 0xff {
			return false // among them what stands for bytes that are no UTF-8
		}
	}
	return odd
}

// appendLatin1 appends that form, if the key has it.
func (k maskedKey) appendLatin1(to []byte) []byte {
	if k.least == len(k.text) {
		return to
	}
	for _, r := range k.text {
		to = append(to, byte(r))
	}
	return to
}

// addMaskedKeys appends the texts that are keys, or could be. White space around one is
// what a client put there that was not careful.
func addMaskedKeys(keys []maskedKey, texts []string) []maskedKey {
	for _, text := range texts {
		key := newMaskedKey(strings.TrimSpace(text))
		if key.text != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// leastEncoded returns a length that no form of the key in hexadecimal or base64 falls
// short of.
func (k maskedKey) leastEncoded() int { return len(k.text)*4/3 - 1 }

// mayEnd reports whether a text that is cut may end within a form of the key: most bodies
// end in a brace, or a line.
func (k maskedKey) mayEnd(text string) bool {
	if len(text) < minTail {
		return false
	}
	last := text[len(text)-1]
	return isBase64(last) || last >= utf8.RuneSelf || strings.IndexByte(k.text, last) >= 0 ||
		len(withoutHalf(text)) < len(text)
}

// withPluses returns a key as it is in a query, if nothing else in it is escaped.
func (k maskedKey) withPluses() string { return strings.ReplaceAll(k.text, " ", "+") }

// keyForms are the forms of one key. If that is not short, none of them is shorter than
// its least. They are made anew in the memory of another's.
type keyForms struct {
	text   string
	least  int      // the length of the shortest
	all    []string // begins with text
	plain  int      // how many of them are not digits of base64
	memory []byte   // holds them
	grams  gramIndex
}

// spell makes the forms of a key. Both bodies of an entry are searched for the same.
func (f *keyForms) spell(key maskedKey) {
	if f.text == key.text {
		return
	}
	f.memory = append(f.memory[:0], key.text...)
	f.text, f.least = asString(f.memory), key.least
	f.all = append(f.all[:0], f.text)
	f.addHex("0123456789abcdef")
	f.addHex("0123456789ABCDEF")
	if strings.IndexByte(f.text, ' ') >= 0 {
		f.all = append(f.all, key.withPluses())
	}
	if start := len(f.memory); key.least < len(f.text) {
		f.memory = key.appendLatin1(f.memory)
		f.all = append(f.all, asString(f.memory[start:]))
	}
	f.plain = len(f.all)
	f.addRuns()
	if !key.short() {
		f.grams.fill(f.all)
	}
}

func (f *keyForms) addHex(digits string) {
	start := len(f.memory)
	for i := range len(f.text) {
		f.memory = append(f.memory, digits[f.text[i]>>4], digits[f.text[i]&15])
	}
	f.all = append(f.all, asString(f.memory[start:]))
}

// addRuns adds the digits that base64 of anything that holds the key has for
// certain: depending on where in it the key begins, one of three spellings, without
// the digit at each end that it shares with its neighbours.
func (f *keyForms) addRuns() {
	for before := range 3 {
		start := len(f.memory)
		f.memory = append(append(f.memory, "\x00\x00"[:before]...), f.text...)
		end := len(f.memory)
		f.memory = base64.RawStdEncoding.AppendEncode(f.memory, f.memory[start:])
		run := f.memory[end+(before*8+5)/6 : end+(end-start)*8/6]
		if len(run) < minRun {
			continue
		}
		f.all = append(f.all, asString(run))
		if bytes.IndexByte(run, '+') >= 0 || bytes.IndexByte(run, '/') >= 0 {
			f.addForURLs(run)
		}
	}
}

// addForURLs adds the digits as base64 for URLs has them.
func (f *keyForms) addForURLs(run []byte) {
	start := len(f.memory)
	f.memory = append(f.memory, run...)
	other := f.memory[start:]
	for i, c := range other {
		switch c {
		case '+':
			other[i] = '-'
		case '/':
			other[i] = '_'
		}
	}
	f.all = append(f.all, asString(other))
}

// findKeys finds the presented keys in all their forms. Most texts of an entry are too
// short to hold any of them.
func (h *hunt) findKeys(text string) {
	for i, key := range h.keys {
		switch {
		case h.cut && key.mayEnd(text):
			forms := h.formsOf(i)
			h.findForms(text, forms)
			h.findTails(text, forms)
		case len(text) < key.least:
		case len(text) < key.leastEncoded() && key.least == len(key.text):
			h.findAll(text, key.text, 0)
			if strings.IndexByte(key.text, ' ') >= 0 {
				h.findAll(text, key.withPluses(), 0)
			}
		default:
			h.findForms(text, h.formsOf(i))
		}
	}
}

// formsOf returns the forms of one of the keys.
func (h *hunt) formsOf(i int) *keyForms {
	for len(h.forms) <= i {
		h.forms = append(h.forms, new(keyForms))
	}
	h.forms[i].spell(h.keys[i])
	return h.forms[i]
}

// findForms finds the forms of a key.
func (h *hunt) findForms(text string, forms *keyForms) {
	from := 0
	if forms.least >= minTail {
		from = h.findGrams(text, forms)
	}
	for i, form := range forms.all {
		if i < forms.plain {
			h.findAll(text, form, from)
		} else {
			h.findWithin(text, form, from)
		}
	}
}

// findAll finds all places of part, from one place on.
func (h *hunt) findAll(text, part string, from int) {
	for from < len(text) {
		i := strings.Index(text[from:], part)
		if i < 0 {
			return
		}
		h.add(from+i, from+i+len(part))
		from += i + 1
	}
}

// findTails finds the beginnings of forms at the end of a text that is cut there, perhaps
// within an escape.
func (h *hunt) findTails(text string, forms *keyForms) {
	whole := withoutHalf(text)
	for i, form := range forms.all {
		at := tailOf(text, form)
		if at == len(text) {
			if at = tailOf(whole, form); at == len(whole) {
				continue
			}
		}
		switch {
		case i < forms.plain:
			h.add(at, len(text))
		default:
			h.addRun(text, at, len(text))
		}
	}
}

// tailOf returns where the longest beginning of part is that a text ends in, of minTail
// bytes or more, or the text's end where there is none.
func tailOf(text, part string) int {
	if len(part) <= minTail {
		return len(text)
	}
	for at := max(0, len(text)-len(part)+1); at < len(text); at++ {
		next := strings.Index(text[at:], part[:minTail])
		if next < 0 {
			break
		}
		if at += next; strings.HasPrefix(part, text[at:]) {
			return at
		}
	}
	return len(text)
}

// withoutHalf returns a text that is cut without what may be the beginning of an escape,
// or of two that belong together.
func withoutHalf(text string) string {
	from := max(0, len(text)-maxEscape)
	if at := strings.LastIndexAny(text[from:], allEscapes); at >= 0 {
		return strings.TrimRight(text[:from+at], string(utf8.RuneError))
	}
	return text
}

// findWithin finds, from one place on, the runs of base64 digits that hold part: all
// that may belong to it is masked.
func (h *hunt) findWithin(text, part string, from int) {
	for from < len(text) {
		i := strings.Index(text[from:], part)
		if i < 0 {
			return
		}
		from = h.addRun(text, from+i, from+i+len(part))
	}
}

// addRun adds the run of base64 digits around some of them, and returns its end.
func (h *hunt) addRun(text string, start, end int) int {
	for start > 0 && isBase64(text[start-1]) {
		start--
	}
	for end < len(text) && isBase64(text[end]) {
		end++
	}
	h.add(start, end)
	return end
}

func isBase64(c byte) bool { return base64Digits[c] }

var base64Digits = func() (digits [256]bool) {
	for c, value := range digits62of {
		digits[c] = value != noDigit || slices.Contains([]byte("+/-_="), byte(c))
	}
	return digits
}()
