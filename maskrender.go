package apikey

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isText8 reports whether the beginning of a body is UTF-8, whatever its type says. In
// UTF-16 or ISO 8859-1 no key would be found.
func isText8(text string) bool {
	text = text[inertLen(text, true):]
	for i := 1; i <= min(utf8.UTFMax-1, len(text)); i++ {
		if last := text[len(text)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRuneInString(last) {
				text = text[:len(text)-i] // which is cut
			}
			break
		}
	}
	return isText(text)
}

// isInert reports whether a text of no more than limit bytes may stay as it is.
func isInert(text string, limit int, body bool) bool {
	return len(text) <= limit && inertLen(text, body) == len(text)
}

// withoutSpans returns text with the spans masked, and inert: control characters, those
// that reorder or hide text, and bytes that are no UTF-8 are spelt as \x1b or
// \u202e. A body keeps its line feeds and tabs. No more than limit bytes of the
// text are looked at, a span across the limit as a whole, and no more returned.
func withoutSpans(text string, spans []span, limit int, body bool) string {
	w := inertWriter{limit: limit, body: body}
	w.out.Grow(min(limit, len(text)+len(spans)*len(redacted)))
	at := 0
	for _, s := range spans {
		if s.start >= limit {
			break
		}
		w.text(text[at:s.start])
		w.mask(s.quote)
		at = s.end
	}
	if at < limit {
		w.text(text[at:min(len(text), limit)])
	}
	if w.full || len(text) > limit {
		w.ellipsis()
	}
	return w.out.String()
}

// An inertWriter writes up to its limit, nothing by halves.
type inertWriter struct {
	out   strings.Builder
	limit int
	body  bool
	full  bool
}

func (w *inertWriter) write(piece string) {
	if w.full = w.full || w.out.Len()+len(piece) > w.limit; !w.full {
		w.out.WriteString(piece)
	}
}

func (w *inertWriter) mask(quote bool) {
	if quote {
		w.write(`"` + redacted + `"`)
		return
	}
	w.write(redacted)
}

func (w *inertWriter) text(text string) {
	plain := 0 // from here on nothing is written yet
	for i := inertLen(text, w.body); i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if !isLetter(r) {
			if spelt := spell(r, size, text[i]); spelt != "" {
				w.plain(text[plain:i])
				w.write(spelt)
				plain = i + size
			}
		}
		i += size
		if i < len(text) && text[i] < utf8.RuneSelf {
			i += inertLen(text[i:], w.body)
		}
	}
	w.plain(text[plain:])
}

// plain writes what needs no spelling, up to the limit.
func (w *inertWriter) plain(text string) {
	if room := w.limit - w.out.Len(); !w.full && len(text) > room {
		for room > 0 && !utf8.RuneStart(text[room]) {
			room--
		}
		w.out.WriteString(text[:room])
		w.full = true
		return
	}
	w.write(text)
}

// ellipsis marks a line that goes on. Of a body the entry says so.
func (w *inertWriter) ellipsis() {
	if !w.body {
		w.out.WriteString("…")
	}
}

// isLetter reports whether a rune is of those blocks of Unicode that hold nothing but
// what may stay, and the letters of most languages.
func isLetter(r rune) bool { return 0xc0 <= r && r < 0x600 || 0x3000 <= r && r < 0xd800 }

// spell returns how a rune is spelt that is not to be kept, and nothing for the
// others.
func spell(r rune, size int, first byte) string {
	switch {
	case r == utf8.RuneError && size == 1, r < utf8.RuneSelf:
		switch first {
		case '\n':
			return `\n`
		case '\r':
			return `\r`
		case '\t':
			return `\t`
		}
		return fmt.Sprintf(`\x%02x`, first)
	case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
		return fmt.Sprintf(`\u%04x`, r)
	}
	return ""
}

// inertLen returns how much of the text's beginning is ASCII that may stay as it is.
func inertLen(text string, body bool) int {
	b, i := asBytes(text), 0
	for i < len(b) {
		for ; i+32 <= len(b); i += 32 {
			four := b[i : i+32] // words, whose bounds are checked once
			odd := unlikeASCII(binary.LittleEndian.Uint64(four), ' ') |
				unlikeASCII(binary.LittleEndian.Uint64(four[8:]), ' ') |
				unlikeASCII(binary.LittleEndian.Uint64(four[16:]), ' ') |
				unlikeASCII(binary.LittleEndian.Uint64(four[24:]), ' ')
			if odd != 0 {
				break
			}
		}
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			if unlikeASCII(w, ' ') != 0 && (!body || unlikeLines(w) != 0) {
				break
			}
			i += 8
		}
		for end := min(i+8, len(b)); i < end; i++ {
			if c := b[i]; (c < ' ' || c >= 0x7f) && (!body || c != '\n' && c != '\t') {
				return i
			}
		}
	}
	return i
}

// unlikeLines returns bits where one of eight bytes is none of visible ASCII, a space, a
// tab or a line feed.
func unlikeLines(w uint64) uint64 {
	low := w &^ eachHighBit
	visible := low + (0x80-' ')*eachByte
	white := (low + (0x80-'\t')*eachByte) &^ (low + (0x80-'\n'-1)*eachByte)
	return (w | (low + eachByte) | ^(visible | white)) & eachHighBit
}
