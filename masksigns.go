package apikey

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

// reach is within how many bytes behind what was decoded a sign may follow a name or a
// scheme that was not there before.
const reach = utf8.UTFMax*2 + maxBlanks + len(`?""`) + maxSecretName + 1

// findSigned finds what follows a sign: a value behind a colon or an equals sign, and
// credentials behind a space. If there was none before escapes were decoded, a new one
// is near those.
func (h *hunt) findSigned(r *reading) {
	if len(r.marks) == 0 || r.signed {
		r.signed = h.findSignedIn(r.text, 0, len(r.text)) > 0 || r.signed
		return
	}
	skip := 0
	for i := 0; i < len(r.marks); {
		from := r.marks[i].at
		to := from + reach
		for i++; i < len(r.marks) && r.marks[i].at <= to; i++ {
			to = r.marks[i].at + reach
		}
		skip = max(skip, h.findSignedIn(r.text, max(from, skip), min(to, len(r.text))))
	}
	r.signed = skip > 0
}

// findSignedIn finds those of the signs in a part of the text. It goes from one sign to
// the next, so that a text may be cut or broken, and returns where the last value ends, or
// 0 if there is not even the name of a secret or a scheme.
func (h *hunt) findSignedIn(text string, from, to int) (skip int) {
	rest := newByteFinder(text[:to], ":= ")
	for base := from; base < to; {
		signs := signsIn(text[:to], base)
		if signs == 0 { // most likely there is none for long
			base = rest.next(min(base+64, to))
			continue
		}
		for ; signs != 0; signs &= signs - 1 {
			at := base + bits.TrailingZeros64(signs)
			switch text[at] {
			case ' ':
				if at > 0 && (text[at-1]|0x20 == 'r' || text[at-1]|0x20 == 'c') && h.findCredential(text, at) {
					skip = max(skip, at)
				}
			case ':', '=':
				end := at
				if at > 0 && text[at-1] == '"' {
					end--
				}
				if h.names.mayEnd(text, end, h.endings) && at >= skip {
					skip = max(skip, h.findNamed(text, at))
				}
			}
		}
		base += 64
	}
	return skip
}

// signsIn returns a bit for each of up to 64 bytes that is from ':' to '=', or a space
// behind what may be a letter. Other bytes have one now and then too.
func signsIn(text string, base int) (signs uint64) {
	if base+64 > len(text) {
		var last [64]byte
		copy(last[:], text[base:])
		return signsOf(&last)
	}
	return signsOf((*[64]byte)(asBytes(text)[base:]))
}

func signsOf(block *[64]byte) (signs uint64) {
	for i := 0; i < 64; i += 8 {
		w := binary.LittleEndian.Uint64(block[i : i+8])
		low := w &^ eachHighBit
		from, above := low+(0x80-':')*eachByte, low+(0x80-'='-1)*eachByte
		spaces := w ^ ' '*eachByte
		// Letters have bit 6. What is before the first byte is not known.
		spaces = (spaces - eachByte) &^ spaces & (w<<9 | 0x80)
		found := (from&^above&^w | spaces) & eachHighBit
		// This product has the eight high bits in its highest byte.
		signs = signs>>8 | found*0x0002040810204081&^(1<<56-1)
	}
	return signs
}

// findNamed finds the value behind a sign if a secret's name is before it: "name":
// value of JSON, name=value of URLs and logs, and name: value of headers and YAML. It
// returns the value's end, or 0.
func (h *hunt) findNamed(text string, at int) int {
	name, quoted := nameBefore(text, at)
	switch {
	case name == "":
	case quoted:
		if text[at] == ':' && (h.names.has(name) || h.place(sourceJSON, name)) {
			return h.jsonValue(text, at+1)
		}
	case h.names.has(name) || text[at] == '=' && h.isParameter(text, at, name) || text[at] == ':' && h.isHeader(name):
		return h.plainValue(text, at)
	}
	return 0
}

// maxBlanks is how much white space there may be between a name and its sign.
const maxBlanks = 16

// nameBefore returns the name that ends before the sign at a place, and whether it
// stands in quotes.
func nameBefore(text string, at int) (name string, quoted bool) {
	end := at
	for end > 0 && isBlank(text[end-1]) && at-end < maxBlanks {
		end--
	}
	if end > 0 && text[end-1] == '"' {
		start := strings.LastIndexByte(text[max(0, end-2-maxSecretName):end-1], '"')
		if start < 0 {
			return "", false
		}
		return text[max(0, end-2-maxSecretName)+start+1 : end-1], true
	}
	start := end
	indexed := end > 0 && text[end-1] == ']' // as in user[password]=
	for start > 0 && end-start <= maxSecretName && (isNameByte(text[start-1]) || indexed && isBracket(text[start-1])) {
		start--
	}
	return text[start:end], false
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func isNameByte(c byte) bool {
	return digits62of[c] != noDigit || c == '_' || c == '-' || c == '.'
}

func isBracket(c byte) bool { return c == '[' || c == ']' }

// isParameter reports whether the name before the sign at a place is a query
// source's, in something that looks like a URL, or in a query.
func (h *hunt) isParameter(text string, at int, name string) bool {
	before := at - len(name) - 1
	begins := before < 0 && h.isQuery || before >= 0 && strings.IndexByte("?&;", text[before]) >= 0
	return begins && h.place(sourceQuery, name)
}

func (h *hunt) isHeader(name string) bool {
	return slices.ContainsFunc(h.places, func(s Source) bool {
		return s.kind == sourceHeader && strings.EqualFold(s.name, name)
	})
}

// findCredential finds what follows the words Bearer and Basic before a space, where
// that can be a credential and is no other word. It reports whether there is such a word.
func (h *hunt) findCredential(text string, space int) bool {
	switch before := text[:space]; {
	case endsInScheme(before, "earer", "EARER"):
		h.credential(text, space+1, func(s string) bool { return strings.ContainsAny(s, "0123456789_.-") })
	case endsInScheme(before, "asic", "ASIC"):
		h.credential(text, space+1, isBasic)
	default:
		return false
	}
	return true
}

// endsInScheme reports whether a text ends in the name of a scheme, which is given
// without its first letter, a b of either case.
func endsInScheme(text, lower, upper string) bool {
	b := len(text) - len(lower) - 1
	return b >= 0 && text[b]|0x20 == 'b' && (text[b+1:] == lower || text[b+1:] == upper)
}

func (h *hunt) credential(text string, start int, is func(string) bool) {
	end := start
	for end < len(text) && (isBase64(text[end]) || text[end] == '.' || text[end] == '~') {
		end++
	}
	for end > start && text[end-1] == '.' { // of the sentence
		end--
	}
	if end-start >= minTail && is(text[start:end]) {
		h.add(start, end)
	}
}

// isBasic reports whether a text is base64 of a user's name, a colon and a
// password.
func isBasic(text string) bool {
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	return err == nil && strings.ContainsRune(string(plain), ':')
}
