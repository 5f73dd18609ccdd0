package apikey

import (
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

// A maskedKey is a presented text and the forms in which it is looked for.
type maskedKey struct {
	text  string
	forms *keyForms // nil: they were not looked for yet
}

// short reports whether a key has too few bytes to be masked by its value: where it
// is missing would show what it is.
func (k maskedKey) short() bool { return len(k.text) < 8 }

// maskedKeys returns the texts that are keys, or could be.
func maskedKeys(texts []string) []maskedKey {
	keys := make([]maskedKey, 0, len(texts))
	for _, text := range texts {
		if text == "" || len(text) > maxMaskedKey {
			continue
		}
		keys = append(keys, maskedKey{text: text})
	}
	return keys
}

// leastEncoded returns a length that no form of the key in hexadecimal or base64 falls
// short of. It is not below that of the key, but for the shortest.
func (k *maskedKey) leastEncoded() int { return len(k.text)*4/3 - 1 }

// keyForms are the forms of one key. None of them is shorter than the key is, if it
// is not short.
type keyForms struct {
	plain []string // as it is, and in hexadecimal
	runs  []string // what base64 of it has for certain, by where in it the key begins
	grams *gramIndex
}

// spell makes the forms. Most texts of an entry are too short to hold any of them.
func (k *maskedKey) spell() *keyForms {
	if k.forms != nil {
		return k.forms
	}
	lower, upper := hexadecimals(k.text)
	k.forms = &keyForms{plain: []string{k.text, lower, upper}, runs: base64Runs(k.text)}
	if strings.Contains(k.text, " ") {
		k.forms.plain = append(k.forms.plain, withPluses(k.text))
	}
	if !k.short() {
		k.forms.grams = newGramIndex(k.forms.plain, k.forms.runs)
	}
	return k.forms
}

// withPluses returns a key as it is in a query, if nothing else in it is escaped.
func withPluses(key string) string { return strings.ReplaceAll(key, " ", "+") }

func hexadecimals(key string) (lower, upper string) {
	const lowerDigits, upperDigits = "0123456789abcdef", "0123456789ABCDEF"
	both := make([]byte, 4*len(key))
	half := 2 * len(key)
	for i := range len(key) {
		high, low := key[i]>>4, key[i]&15
		both[2*i], both[2*i+1] = lowerDigits[high], lowerDigits[low]
		both[half+2*i], both[half+2*i+1] = upperDigits[high], upperDigits[low]
	}
	return asString(both[:half]), asString(both[half:])
}

// base64Runs returns the digits that base64 of anything that holds the key has for
// certain: depending on where in it the key begins, one of three spellings, without
// the digit at each end that it shares with its neighbours.
func base64Runs(key string) (runs []string) {
	padded := append(make([]byte, 2, 2+len(key)), key...)
	digits := make([]byte, 0, 3*base64.RawStdEncoding.EncodedLen(len(padded)))
	for before := range 3 {
		start := len(digits)
		digits = base64.RawStdEncoding.AppendEncode(digits, padded[2-before:])
		run := asString(digits[start+(before*8+5)/6 : start+(before+len(key))*8/6])
		if len(run) < minRun {
			continue
		}
		runs = append(runs, run)
		if strings.IndexByte(run, '+') >= 0 || strings.IndexByte(run, '/') >= 0 {
			runs = append(runs, strings.ReplaceAll(strings.ReplaceAll(run, "+", "-"), "/", "_"))
		}
	}
	return runs
}

// findKeys finds the presented keys in all their forms.
func (h *hunt) findKeys(text string) {
	for i := range h.keys {
		key := &h.keys[i]
		switch {
		case h.cut:
			h.findForms(text, key.spell())
			for _, form := range key.forms.plain {
				h.findTail(text, form)
			}
		case len(text) < len(key.text):
		case len(text) < key.leastEncoded():
			h.findAll(text, key.text, 0)
			if strings.IndexByte(key.text, ' ') >= 0 {
				h.findAll(text, withPluses(key.text), 0)
			}
		default:
			h.findForms(text, key.spell())
		}
	}
}

// findForms finds the forms of a key.
func (h *hunt) findForms(text string, forms *keyForms) {
	from := 0
	if forms.grams != nil {
		from = h.findIndexed(text, forms.grams)
	}
	for _, form := range forms.plain {
		h.findAll(text, form, from)
	}
	for _, run := range forms.runs {
		h.findWithin(text, run, from)
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
