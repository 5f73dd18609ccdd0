package apikey

import "strings"

const (
	shapeDigits = randomDigits + sumDigits
	// shapeLen is the length of the shortest generated key.
	shapeLen = 1 + 1 + shapeDigits
)

// findShapes finds what has the form of a generated key, whoever's it is: a
// prefix, an underscore, and 49 digits of base62 or more. The last byte of the 49 that
// is no digit rules out all underscores before it, so that few bytes are looked at.
func (h *hunt) findShapes(text string) {
	for at := strings.IndexByte(text, '_'); at >= 0 && at+shapeDigits < len(text); {
		end := at + shapeDigits
		for digits62of[text[end]] != noDigit { // the underscore is none
			end--
		}
		if end == at {
			end = at + shapeDigits + 1
			for end < len(text) && digits62of[text[end]] != noDigit {
				end++
			}
			h.addShape(text, at, end)
		}
		next := strings.IndexByte(text[end:], '_')
		if next < 0 {
			break
		}
		at = end + next
	}
	if h.cut {
		h.findShapeTail(text)
	}
}

// findShapeTail finds the beginning of such a form at the end of a text that is cut.
func (h *hunt) findShapeTail(text string) {
	at := len(text)
	for at > 0 && len(text)-at < shapeDigits && digits62of[text[at-1]] != noDigit {
		at--
	}
	if len(text)-at >= minTail && at > 0 && text[at-1] == '_' {
		h.addShape(text, at-1, len(text))
	}
}

// addShape adds an underscore and digits, if there is a prefix before them.
func (h *hunt) addShape(text string, at, end int) {
	if start := prefixStart(text[:at]); start < at {
		h.add(start, end)
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
