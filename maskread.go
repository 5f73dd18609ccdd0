package apikey

import (
	"html"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A reading is a text after its escapes were decoded, any number of times, with
// the way back to the text as it is.
type reading struct {
	text  string
	marks []mark // in order; none: nothing was decoded
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

// decode decodes the escapes that begin with one of those bytes, and reports
// whether there were any.
func (r *reading) decode(escapes string) (next reading, changed bool) {
	some := false
	for i := range len(escapes) {
		some = some || strings.IndexByte(r.text, escapes[i]) >= 0
	}
	if !some {
		return *r, false
	}
	d := decoder{from: r}
	for i := 0; i < len(r.text); {
		if c := r.text[i]; c != '%' && c != '\\' && c != '&' || strings.IndexByte(escapes, c) < 0 {
			i++
			continue
		}
		var plain [utf8.UTFMax * 2]byte
		n, width := unescapeAny(r.text[i:], plain[:])
		if width == 0 {
			i++
			continue
		}
		d.copy(i)
		d.note(r.raw(i)) // each byte of what was escaped leads to its beginning
		d.out.Write(plain[:n])
		i += width
		d.copied = i
		d.note(r.raw(i))
	}
	if d.copied == 0 {
		return *r, false
	}
	d.copy(len(r.text))
	return reading{d.out.String(), d.marks}, true
}

// A decoder makes one reading of another.
type decoder struct {
	from   *reading
	copied int // of from.text
	passed int // of from.marks
	out    strings.Builder
	marks  []mark
}

// copy copies the text before end as it is, and what is known of its places.
func (d *decoder) copy(end int) {
	at := d.out.Len() - d.copied
	for ; d.passed < len(d.from.marks) && d.from.marks[d.passed].at < end; d.passed++ {
		if m := d.from.marks[d.passed]; m.at > d.copied {
			d.marks = append(d.marks, mark{at + m.at, m.raw})
		}
	}
	d.out.WriteString(d.from.text[d.copied:end])
	d.copied = end
}

// note notes where what follows comes from.
func (d *decoder) note(raw int) {
	at := d.out.Len()
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
		if v, err := strconv.ParseUint(text[2:min(4, len(text))], 16, 8); err == nil && len(text) >= 4 {
			out[0] = byte(v)
			return 1, 4
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
	unit := func(text string) (rune, bool) {
		if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
			return 0, false
		}
		v, err := strconv.ParseUint(text[2:6], 16, 16)
		return rune(v), err == nil
	}
	first, ok := unit(text)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(first) {
		if second, ok := unit(text[6:]); ok {
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return utf8.EncodeRune(out, r), 12
			}
		}
	}
	return utf8.EncodeRune(out, first), 6
}

// unescapeEntity decodes a character reference of HTML, of up to 12 bytes.
func unescapeEntity(text string, out []byte) (n, width int) {
	end := strings.IndexByte(text[:min(12, len(text))], ';')
	if end < 2 {
		return 0, 0
	}
	plain := html.UnescapeString(text[:end+1])
	if plain == text[:end+1] || len(plain) > len(out) {
		return 0, 0
	}
	return copy(out, plain), end + 1
}
