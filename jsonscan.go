package apikey

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth is how deeply arrays and objects may nest. It is the limit of encoding/json, so that the
// two agree about every body.
const maxJSONDepth = 10_000

// None of the errors of scanJSONRoot quotes the body: what stands there may be a key.
var (
	errJSONDuplicate = errors.New("the searched JSON member occurs twice")
	errJSONSurrogate = errors.New("the value of the searched JSON member holds half a surrogate pair")
)

// jsonSyntaxError says where and why a body is not one strictly valid JSON text.
type jsonSyntaxError struct {
	offset  int
	problem string
}

func (e *jsonSyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.offset, e.problem)
}

// jsonKind is what the searched member holds, as far as it matters to a caller who wants text.
type jsonKind uint8

const (
	jsonOther jsonKind = iota // a number, boolean, array or object
	jsonNull
	jsonString
)

// jsonMember is where the searched member stands in a JSON text. The zero value means: nowhere.
type jsonMember struct {
	start, end       int // from the opening quote of its name to the end of its value
	cutStart, cutEnd int // what to delete, one comma included, so that valid JSON remains
	kind             jsonKind
	value            string // unescaped; empty unless kind is jsonString
	found            bool
}

// scanJSONRoot checks that body is one valid JSON text, or nothing but white space, and finds the
// member called name of its root object. Names are compared exactly, after unescaping. Valid is what
// encoding/json calls valid, save that strings must be valid UTF-8.
//
// A second member of that name is an error: parsers disagree about which of the two counts. So is a
// value that stands for no text because of half a surrogate pair. The first problem is reported.
//
// Body is read once, in time linear to its length. Nothing is allocated but the value, the error, and
// one bit for each level of nesting beyond 64.
func scanJSONRoot(body []byte, name string) (jsonMember, error) {
	s := jsonScanner{body: body}
	var m jsonMember
	i := s.skipSpace(0)
	if i == len(body) {
		return m, nil
	}
	if body[i] == '{' {
		i = s.scanMembers(&m, i, name)
	} else {
		i = s.skipValue(i, 0)
	}
	if i >= 0 {
		if i = s.skipSpace(i); i < len(body) {
			s.fail(i, "something follows the JSON text")
		}
	}
	if s.err != nil {
		return jsonMember{}, s.err
	}
	return m, nil
}

// jsonScanner reads a JSON text. Its methods take the offset at which something should start and
// return the offset just after it. If it is not there or not valid they set err and return -1, which
// costs the hot path less than an error returned at every step.
type jsonScanner struct {
	body []byte
	err  error
}

func (s *jsonScanner) fail(offset int, problem string) int {
	if offset == len(s.body) {
		problem = "unexpected end"
	}
	s.err = &jsonSyntaxError{offset, problem}
	return -1
}

// scanMembers reads the root object that opens at i, and fills in m if one of its members is called
// name.
func (s *jsonScanner) scanMembers(m *jsonMember, i int, name string) int {
	i = s.skipSpace(i + 1)
	if s.at(i) == '}' {
		return i + 1
	}
	for comma := -1; ; {
		start := i
		end := s.scanMember(m, start, name)
		if end < 0 {
			return end
		}
		i = s.skipSpace(end)
		next := s.at(i)
		if m.found && m.start == start {
			m.cutStart, m.cutEnd = start, end
			if next == ',' {
				m.cutEnd = i + 1
			} else if comma >= 0 {
				m.cutStart = comma
			}
		}
		if next == '}' {
			return i + 1
		}
		if next != ',' {
			return s.fail(i, "expected a comma or the end of the object")
		}
		comma = i
		i = s.skipSpace(i + 1)
	}
}

// scanMember reads the member of the root object that starts at i. If it is called name, it fills in
// all of m but the cut.
func (s *jsonScanner) scanMember(m *jsonMember, i int, name string) int {
	if s.at(i) != '"' {
		return s.fail(i, "expected a member name in quotes")
	}
	nameEnd := s.skipString(i + 1)
	if nameEnd < 0 {
		return nameEnd
	}
	wanted := isJSONName(s.body[i+1:nameEnd-1], name)
	if wanted && m.found {
		s.err = errJSONDuplicate
		return -1
	}
	value := s.skipColon(nameEnd)
	if value < 0 {
		return value
	}
	end := s.skipValue(value, 1)
	if end < 0 || !wanted {
		return end
	}
	m.found, m.start, m.end = true, i, end
	switch s.body[value] {
	case 'n':
		m.kind = jsonNull
	case '"':
		text, ok := jsonText(s.body[value+1 : end-1])
		if !ok {
			s.err = errJSONSurrogate
			return -1
		}
		m.kind, m.value = jsonString, text
	}
	return end
}

// skipValue skips the value at i, which depth arrays and objects enclose. It keeps track of those
// inside it by itself: recursion would let a body decide how much stack it takes.
func (s *jsonScanner) skipValue(i, depth int) int {
	open := jsonNesting{depth: depth}
	for i >= 0 {
		c := s.at(i)
		switch c {
		case '{', '[':
			if !open.push(c) {
				return s.fail(i, "nested too deeply")
			}
			i = s.skipSpace(i + 1)
			if s.at(i) != open.closer() {
				if c == '{' {
					i = s.skipName(i)
				}
				continue
			}
		case '"':
			i = s.skipString(i + 1)
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			i = s.skipNumber(i)
		default:
			i = s.skipLiteral(i)
		}
		if i < 0 {
			return i
		}

		// Here a value has ended, or an empty array or object is about to. Some around it may end too.
		for {
			if open.depth == depth {
				return i
			}
			i = s.skipSpace(i)
			if c = s.at(i); c != open.closer() {
				break
			}
			open.pop()
			i++
		}
		if c != ',' {
			return s.fail(i, "expected a comma or the end of the array or object")
		}
		i = s.skipSpace(i + 1)
		if open.inObject() {
			i = s.skipName(i)
		}
	}
	return i
}

// skipName skips a member's name and colon and the white space after it.
func (s *jsonScanner) skipName(i int) int {
	if s.at(i) != '"' {
		return s.fail(i, "expected a member name in quotes")
	}
	if i = s.skipString(i + 1); i < 0 {
		return i
	}
	return s.skipColon(i)
}

func (s *jsonScanner) skipColon(i int) int {
	i = s.skipSpace(i)
	if s.at(i) != ':' {
		return s.fail(i, "expected a colon")
	}
	return s.skipSpace(i + 1)
}

func (s *jsonScanner) skipLiteral(i int) int {
	rest := s.body[i:]
	switch {
	case bytes.HasPrefix(rest, []byte("true")), bytes.HasPrefix(rest, []byte("null")):
		return i + 4
	case bytes.HasPrefix(rest, []byte("false")):
		return i + 5
	}
	return s.fail(i, "expected a value")
}

func (s *jsonScanner) skipNumber(i int) int {
	if s.at(i) == '-' {
		i++
	}
	if s.at(i) == '0' {
		i++
	} else if i = s.skipDigits(i); i < 0 {
		return i
	}
	if s.at(i) == '.' {
		if i = s.skipDigits(i + 1); i < 0 {
			return i
		}
	}
	if c := s.at(i); c != 'e' && c != 'E' {
		return i
	}
	i++
	if c := s.at(i); c == '+' || c == '-' {
		i++
	}
	return s.skipDigits(i)
}

// skipDigits skips one digit or more.
func (s *jsonScanner) skipDigits(i int) int {
	for start := i; ; i += 8 {
		stops := jsonDigitStops(s.word(i))
		if stops == 0 {
			continue
		}
		i += bits.TrailingZeros64(stops) / 8
		if i == start {
			return s.fail(i, "expected a digit")
		}
		return i
	}
}

// skipString skips the rest of a string of which the opening quote has been read. Most strings are
// names and short values, which end in their first eight bytes and hold nothing but plain ASCII.
func (s *jsonScanner) skipString(i int) int {
	w := s.word(i)
	stops := jsonStringStops(w)
	stop := bits.TrailingZeros64(stops) &^ 7
	if byte(w>>stop) == '"' && w&(stops-1)&eachHighBit == 0 {
		return i + stop/8 + 1
	}
	return s.skipLongString(i)
}

// skipLongString does what skipString does, for any string. It looks closely at bytes beyond ASCII only
// once it knows where they end: utf8.Valid is faster over a whole string than in pieces.
func (s *jsonScanner) skipLongString(i int) int {
	start, seen := i, uint64(0)
	for {
		w := s.word(i)
		stops := jsonStringStops(w)
		if stops == 0 {
			seen |= w
			i += 8
			continue
		}
		seen |= w & (stops - 1) // only what precedes the first stop: the others are ASCII themselves
		i += bits.TrailingZeros64(stops) / 8
		switch s.at(i) {
		case '"':
			if seen&eachHighBit != 0 && !utf8.Valid(s.body[start:i]) {
				return s.fail(start, "the string is not valid UTF-8")
			}
			return i + 1
		case '\\':
			if i = s.skipEscape(i); i < 0 {
				return i
			}
		default:
			return s.fail(i, "control character in a string")
		}
	}
}

// skipEscape skips the escape of which the backslash is at i.
func (s *jsonScanner) skipEscape(i int) int {
	switch s.at(i + 1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		for j := i + 2; j < i+6; j++ {
			c := s.at(j)
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return s.fail(j, "expected a hexadecimal digit")
			}
		}
		return i + 6
	}
	return s.fail(i+1, "unknown escape")
}

// skipSpace is written so that the compiler inlines it, loop and all. Eight bytes at a time were no
// faster, even for indented text.
func (s *jsonScanner) skipSpace(i int) int {
	if s.at(i) > ' ' {
		return i
	}
	return s.skipSpaceRun(i)
}

func (s *jsonScanner) skipSpaceRun(i int) int {
	for {
		switch s.at(i) {
		case ' ', '\n', '\r', '\t':
			i++
		default:
			return i
		}
	}
}

// at returns the byte at i. At the end of the text that is 0, which is valid nowhere in it.
func (s *jsonScanner) at(i int) byte {
	if i < len(s.body) {
		return s.body[i]
	}
	return 0
}

// word returns the eight bytes at i, the first one lowest. Those beyond the end of the text are 0,
// which stops a string as well as a number, so that nobody else need count how many are left.
func (s *jsonScanner) word(i int) uint64 {
	if i+8 <= len(s.body) {
		return binary.LittleEndian.Uint64(s.body[i:])
	}
	return s.lastWord(i)
}

func (s *jsonScanner) lastWord(i int) uint64 {
	var word [8]byte
	if i < len(s.body) {
		copy(word[:], s.body[i:])
	}
	return binary.LittleEndian.Uint64(word[:])
}

// A word times or masked by these is eight bytes treated alike.
const (
	eachByte    = 0x0101010101010101
	eachHighBit = 0x8080808080808080
)

// jsonStringStops marks, by its highest bit, the first byte of w that plain text in a string is not: a
// quote, a backslash or a control character. Zero means there is none. Bytes after the first may be
// marked wrongly, since the subtractions borrow, but never one beyond ASCII.
func jsonStringStops(w uint64) uint64 {
	// Flipping bit 1 swaps the quote (0x22) with the space (0x20), just above the control characters,
	// which it permutes among themselves: one comparison finds both.
	quoteOrControl := (w ^ 0x02*eachByte) - 0x21*eachByte
	backslash := (w ^ '\\'*eachByte) - eachByte
	return (quoteOrControl | backslash) &^ w & eachHighBit
}

// jsonDigitStops marks the first byte of w that is no digit, in the same way.
func jsonDigitStops(w uint64) uint64 {
	above := w + (0x7f-'9')*eachByte
	below := w - '0'*eachByte
	return (w | above | below) & eachHighBit
}

// jsonNesting remembers of each open array and object which of the two it is.
type jsonNesting struct {
	depth int
	inner uint64   // the innermost 64, one bit each, the innermost lowest; 1 is an object
	outer []uint64 // those around them, 64 in each
}

// push opens an array or object. It reports whether that is not too deep.
func (n *jsonNesting) push(opener byte) bool {
	if n.depth == maxJSONDepth {
		return false
	}
	if n.depth%64 == 0 && n.depth > 0 {
		n.outer = append(n.outer, n.inner)
	}
	n.depth++
	n.inner = n.inner<<1 | uint64(opener>>5&1) // the bit that { has and [ has not
	return true
}

func (n *jsonNesting) pop() {
	n.depth--
	n.inner >>= 1
	if last := len(n.outer) - 1; n.depth%64 == 0 && last >= 0 {
		n.inner, n.outer = n.outer[last], n.outer[:last]
	}
}

func (n *jsonNesting) inObject() bool { return n.inner&1 != 0 }

func (n *jsonNesting) closer() byte { return ']' | byte(n.inner&1)<<5 }

// isJSONName reports whether raw, the inside of a valid JSON string, stands for name.
func isJSONName(raw []byte, name string) bool {
	// An escape takes two to six bytes for each byte that it stands for.
	if len(raw) < len(name) || len(raw) > 6*len(name) {
		return false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw) == name
	}
	text, ok := appendUnescaped(make([]byte, 0, 64), raw)
	return ok && string(text) == name
}

// jsonText returns the text that raw, the inside of a valid JSON string, stands for. It reports false if
// there is none.
func jsonText(raw []byte) (string, bool) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw), true
	}
	text, ok := appendUnescaped(make([]byte, 0, 256), raw) // no key is longer
	return string(text), ok
}

// appendUnescaped appends to dst the text that raw, the inside of a valid JSON string, stands for. It
// reports false if there is no such text, because half a surrogate pair stands alone.
func appendUnescaped(dst, raw []byte) ([]byte, bool) {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...), true
		}
		dst = append(dst, raw[:i]...)
		escape := raw[i+1]
		if escape != 'u' {
			dst = append(dst, unescapedByte(escape))
			raw = raw[i+2:]
			continue
		}
		r := hexRune(raw[i+2:])
		raw = raw[i+6:]
		if utf16.IsSurrogate(r) {
			if !bytes.HasPrefix(raw, []byte(`\u`)) {
				return dst, false
			}
			if r = utf16.DecodeRune(r, hexRune(raw[2:])); r == utf8.RuneError {
				return dst, false
			}
			raw = raw[6:]
		}
		dst = utf8.AppendRune(dst, r)
	}
}

func unescapedByte(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // a quote, backslash or slash stands for itself
}

// hexRune reads four hexadecimal digits.
func hexRune(digits []byte) rune {
	var r rune
	for _, c := range digits[:4] {
		if c <= '9' {
			r = r<<4 | rune(c-'0')
		} else {
			r = r<<4 | rune(c|0x20-'a'+10)
		}
	}
	return r
}
