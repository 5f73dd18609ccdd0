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
)

// findKeys finds the presented keys: as they are, in base64 wherever they begin in
// it, and in hexadecimal.
func (h *hunt) findKeys(text string) {
	for _, key := range h.keys {
		if key == "" || len(key) > maxMaskedKey {
			continue
		}
		h.findAll(text, key)
		if strings.Contains(key, " ") {
			h.findAll(text, strings.ReplaceAll(key, " ", "+"))
		}
		lower := hex.EncodeToString([]byte(key))
		h.findAll(text, lower)
		h.findAll(text, strings.ToUpper(lower))
		h.findBase64(text, key)
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

// findBase64 finds base64 of anything that holds the key. Depending on where in it
// the key begins, it has one of three spellings, apart from a digit at each end
// that it shares with its neighbours; so all that may belong to it is masked.
func (h *hunt) findBase64(text, key string) {
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			digits := encoding.EncodeToString(append(make([]byte, before, before+len(key)), key...))
			first := (before*8 + 5) / 6
			h.findWithin(text, digits[first:(before+len(key))*8/6])
		}
	}
}

// findWithin finds the runs of base64 digits that hold part.
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
