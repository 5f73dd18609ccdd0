package apikey

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
)

const (
	// maxMaskedKey is the length up to which a presented text is looked for. What
	// is longer is no key.
	maxMaskedKey = 4 << 10
	// minTail is how much of a key or of a generated key's shape is told from
	// other text where the rest is cut off.
	minTail = 8
	// minRun is how many digits of base64 are looked for at least: one or two, of a
	// key of as many bytes, are in every word.
	minRun = 3
)

// A maskedKey is a presented text, which is looked for in several forms.
type maskedKey struct{ text string }

// short reports whether a key has too few bytes to be masked by its value: where it
// is missing would show what it is.
func (k maskedKey) short() bool { return len(k.text) < 8 }

// addMaskedKeys appends the texts that are keys, or could be. White space around one is
// what a client put there that was not careful.
func addMaskedKeys(keys []maskedKey, texts []string) []maskedKey {
	for _, text := range texts {
		key := maskedKey{strings.TrimSpace(text)}
		if key.text != "" && len(key.text) <= maxMaskedKey && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// leastEncoded returns a length that no form of the key in hexadecimal or base64 falls
// short of.
func (k maskedKey) leastEncoded() int { return len(k.text)*4/3 - 1 }

// withPluses returns a key as it is in a query, if nothing else in it is escaped.
func (k maskedKey) withPluses() string { return strings.ReplaceAll(k.text, " ", "+") }

// keyForms are the forms of one key. None of them is shorter than the key, if that is
// not short. They are made anew in the memory of another's.
type keyForms struct {
	text   string
	all    []string // begins with it
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
	f.text = asString(f.memory)
	f.all = append(f.all[:0], f.text)
	f.addHex("0123456789abcdef")
	f.addHex("0123456789ABCDEF")
	if strings.IndexByte(f.text, ' ') >= 0 {
		f.all = append(f.all, key.withPluses())
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
		case h.cut:
			forms := h.formsOf(i)
			h.findForms(text, forms)
			for _, form := range forms.all[:forms.plain] {
				h.findTail(text, form)
			}
		case len(text) < len(key.text):
		case len(text) < key.leastEncoded():
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
	if !(maskedKey{forms.text}).short() {
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

// findTail finds the beginning of part at the end of a text that is cut there.
func (h *hunt) findTail(text, part string) {
	for n := min(len(part)-1, len(text)); n >= minTail; n-- {
		if strings.HasSuffix(text, part[:n]) {
			h.add(len(text)-n, len(text))
			return
		}
	}
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
