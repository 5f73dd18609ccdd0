package apikey

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

const (
	// maxMaskedKey is the length up to which a presented text is looked for. What
	// is longer is no key.
	maxMaskedKey = 4 << 10
	// minTail is how much of a key or of a generated key's shape is told from
	// other text where the rest is cut off.
	minTail = 8
	// shapeLen is the length of the shortest generated key.
	shapeLen = 1 + 1 + randomDigits + sumDigits
	// minRun is how many digits of base64 are looked for at least: one or two, of a
	// key of as many bytes, are in every word.
	minRun = 3
)

// A maskedKey is a presented text in the forms in which it is looked for. None of
// them is shorter than the text.
type maskedKey struct {
	text  string
	forms []string // as it is, and in hexadecimal; nil: it was not looked for yet
	runs  []string // what base64 of it has for certain, by where in it the key begins
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

// spell makes the forms. Most texts of an entry are too short to hold any of them.
func (k *maskedKey) spell() {
	if k.forms != nil {
		return
	}
	lower := hex.EncodeToString([]byte(k.text))
	k.forms, k.runs = []string{k.text, lower, strings.ToUpper(lower)}, base64Runs(k.text)
	if strings.Contains(k.text, " ") {
		k.forms = append(k.forms, strings.ReplaceAll(k.text, " ", "+"))
	}
}

// base64Runs returns the digits that base64 of anything that holds the key has for
// certain: depending on where in it the key begins, one of three spellings, without
// the digit at each end that it shares with its neighbours.
func base64Runs(key string) (runs []string) {
	for before := range 3 {
		digits := base64.RawStdEncoding.EncodeToString(append(make([]byte, before, before+len(key)), key...))
		run := digits[(before*8+5)/6 : (before+len(key))*8/6]
		if len(run) < minRun {
			continue
		}
		runs = append(runs, run)
		if strings.ContainsAny(run, "+/") {
			runs = append(runs, strings.NewReplacer("+", "-", "/", "_").Replace(run))
		}
	}
	return runs
}

// findKeys finds the presented keys in all their forms.
func (h *hunt) findKeys(text string) {
	for i := range h.keys {
		key := &h.keys[i]
		if len(text) < len(key.text) && !h.cut {
			continue
		}
		key.spell()
		for _, form := range key.forms {
			h.findAll(text, form)
		}
		for _, run := range key.runs {
			h.findWithin(text, run)
		}
	}
}

// findAll finds all places of part, and its beginning where the text is cut.
func (h *hunt) findAll(text, part string) {
	for from := 0; ; {
		i := strings.Index(text[from:], part)
		if i < 0 {
			break
		}
		h.add(from+i, from+i+len(part))
		from += i + 1
	}
	for n := min(len(part)-1, len(text)); h.cut && n >= minTail; n-- {
		if strings.HasSuffix(text, part[:n]) {
			h.add(len(text)-n, len(text))
			return
		}
	}
}

// findWithin finds the runs of base64 digits that hold part: all that may belong to
// it is masked.
func (h *hunt) findWithin(text, part string) {
	for from := 0; ; {
		i := strings.Index(text[from:], part)
		if i < 0 {
			return
		}
		start, end := from+i, from+i+len(part)
		for start > from && isBase64(text[start-1]) {
			start--
		}
		for end < len(text) && isBase64(text[end]) {
			end++
		}
		h.add(start, end)
		from = end
	}
}

func isBase64(c byte) bool {
	return digits62of[c] != noDigit || strings.IndexByte("+/-_=", c) >= 0
}

// findShapes finds what has the form of a generated key, whoever's it is: a
// prefix, an underscore, and 49 digits of base62 or more.
func (h *hunt) findShapes(text string) {
	for at := 0; ; at++ {
		i := strings.IndexByte(text[at:], '_')
		if i < 0 {
			return
		}
		at += i
		end := at + 1
		for end < len(text) && digits62of[text[end]] != noDigit {
			end++
		}
		if digits := end - at - 1; digits < randomDigits+sumDigits && !(h.cut && end == len(text) && digits >= minTail) {
			continue
		}
		if start := prefixStart(text[:at]); start < at {
			h.add(start, end)
			at = end - 1
		}
	}
}

// prefixStart returns where the longest prefix of a generated key begins that text
// ends with, and the text's end where there is none.
func prefixStart(text string) int {
	start := len(text)
	for i := len(text) - 1; i >= max(0, len(text)-maxPrefix); i-- {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z':
			start = i
		case c < '0' || '9' < c:
			return start
		}
	}
	return start
}
