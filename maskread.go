package apikey

import (
	"html"
	"sort"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A reading is a text after its escapes were decoded, any number of times, with
// the way back to the text as it is.
type reading struct {
	text  string
	marks []mark // in order; none: nothing was decoded
	// signed: there is the name of a secret or a scheme before a sign, or was before
	// the last escapes were decoded.
	signed bool
	memory []byte // what was decoded, until another text is
}

// A mark says that from a place in the reading on, the text as it is runs beside
// it, byte for byte, up to the next mark.
type mark struct{ at, raw int }

// raw returns the place in the text as it is that belongs to one in the reading.
func (r *reading) raw(at int) int {
	i := sort.Search(len(r.marks), func(i int) bool { return r.marks[i].at > at }) - 1
	if i < 0 {
		return at
	}
	return r.marks[i].raw + at - r.marks[i].at
}

// allEscapes are what escapes of URLs, JSON and HTML begin with.
const allEscapes = `%\&`

// maxEscape is the most bytes of an escape: two of \u0041, or a name of HTML.
const maxEscape = 12

var (
	escapesTogether = []string{allEscapes}
	escapesApart    = []string{"%", `\`, "&"}
)

// decode makes the next reading, in which the escapes that begin with one of those
// bytes are decoded, and reports whether there are any.
func (r *reading) decode(escapes string, next *reading) (changed bool) {
	if strings.HasSuffix(escapes, "&") && strings.IndexByte(r.text, ';') < 0 {
		escapes = escapes[:len(escapes)-1] // as in a form, which has many
	}
	find := newByteFinder(r.text, escapes)
	d := decoder{reading: next, before: r}
	for i := find.next(0); i < len(r.text); {
		var plain [utf8.UTFMax * 2]byte
		n, width := unescapeAny(r.text[i:], plain[:])
		if width == 0 {
			i = find.next(i + 1)
			continue
		}
		if d.copied == 0 {
			d.memory, d.marks = d.memory[:0], d.marks[:0]
		}
		d.copy(i)
		d.note(d.from(i)) // each byte of what was escaped leads to its beginning
		d.memory = append(d.memory, plain[:n]...)
		i += width
		d.copied = i
		d.note(d.from(i))
		i = find.next(i)
	}
	if d.copied == 0 {
		return false
	}
	d.copy(len(r.text))
	next.text, next.signed = asString(next.memory), r.signed
	return true
}

// A byteFinder finds the next of up to three bytes, of which most texts have few.
type byteFinder struct {
	text, bytes string
	found       [len(allEscapes)]int // the last ones
}

func newByteFinder(text, bytes string) byteFinder {
	return byteFinder{text, bytes, [...]int{-1, -1, -1}}
}

// next returns the place of the next one from a place on, or the end of the text.
func (f *byteFinder) next(from int) int {
	next := len(f.text)
	for i := range len(f.bytes) {
		if f.found[i] < from {
			f.found[i] = len(f.text)
			if n := strings.IndexByte(f.text[from:], f.bytes[i]); n >= 0 {
				f.found[i] = from + n
			}
		}
		next = min(next, f.found[i])
	}
	return next
}

// A decoder makes one reading of another.
type decoder struct {
	*reading
	before *reading
	copied int // of before.text
	passed int // of before.marks
}

// from is raw of the reading before, for places that never go back.
func (d *decoder) from(at int) int {
	marks := d.before.marks
	for d.passed < len(marks) && marks[d.passed].at <= at {
		d.passed++
	}
	if d.passed == 0 {
		return at
	}
	m := marks[d.passed-1]
	return m.raw + at - m.at
}

// copy copies the text before end as it is, and what is known of its places.
func (d *decoder) copy(end int) {
	at := len(d.memory) - d.copied
	for ; d.passed < len(d.before.marks) && d.before.marks[d.passed].at < end; d.passed++ {
		if m := d.before.marks[d.passed]; m.at > d.copied {
			d.marks = append(d.marks, mark{at + m.at, m.raw})
		}
	}
	d.memory = append(d.memory, d.before.text[d.copied:end]...)
	d.copied = end
}

// note notes where what follows comes from.
func (d *decoder) note(raw int) {
	at := len(d.memory)
	if last := len(d.marks) - 1; last >= 0 && d.marks[last].at == at {
		d.marks[last].raw = raw
		return
	}
	d.marks = append(d.marks, mark{at, raw})
}

// unescapeAny decodes the escape that text begins with into out. A width of 0
// means that it is none.
func unescapeAny(text string, out []byte) (n, width int) {
	switch text[0] {
	case '%':
		if c, width := unescape(text); width > 0 {
			out[0] = c
			return 1, width
		}
	case '\\':
		return unescapeBackslash(text, out)
	case '&':
		return unescapeEntity(text, out)
	}
	return 0, 0
}

func unescapeBackslash(text string, out []byte) (n, width int) {
	if len(text) < 2 {
		return 0, 0
	}
	switch c := text[1]; c {
	case 'u':
		return unescapeUnicode(text, out)
	case 'x':
		if c, width := unescape(text[1:]); width > 0 { // as behind a percent sign
			out[0] = c
			return 1, 1 + width
		}
		return 0, 0
	default:
		out[0] = c
		if i := strings.IndexByte("nrtbf", c); i >= 0 {
			out[0] = "\n\r\t\b\f"[i]
		}
		return 1, 2
	}
}

// unescapeUnicode decodes \u0041, or two of them that are a surrogate pair.
func unescapeUnicode(text string, out []byte) (n, width int) {
	first, ok := utf16Unit(text)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(first) {
		if second, ok := utf16Unit(text[6:]); ok {
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return utf8.EncodeRune(out, r), 12
			}
		}
	}
	return utf8.EncodeRune(out, first), 6
}

// utf16Unit decodes one \u0041.
func utf16Unit(text string) (unit rune, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for i := 2; i < 6; i++ {
		digit, ok := unhex(text[i])
		if !ok {
			return 0, false
		}
		unit = unit<<4 | rune(digit)
	}
	return unit, true
}

// unescapeEntity decodes a character reference of HTML, of up to maxEscape bytes.
func unescapeEntity(text string, out []byte) (n, width int) {
	end := strings.IndexByte(text[:min(maxEscape, len(text))], ';')
	if end < 2 {
		return 0, 0
	}
	plain := html.UnescapeString(text[:end+1])
	if plain == text[:end+1] || len(plain) > len(out) {
		return 0, 0
	}
	return copy(out, plain), end + 1
}
