package apikey

import "strings"

// jsonValue finds the value that begins behind a colon, and returns where it ends.
func (h *hunt) jsonValue(text string, at int) int {
	for at < len(text) && isBlank(text[at]) {
		at++
	}
	if at == len(text) {
		return at
	}
	start := at
	switch text[at] {
	case '"':
		end := stringEnd(text, at)
		h.add(at+1, end)
		return end
	case '{', '[':
		at = nestedEnd(text, at)
	default:
		for at < len(text) && strings.IndexByte(",}] \t\r\n", text[at]) < 0 {
			at++
		}
	}
	h.spans = append(h.spans, span{start, at, true})
	return at
}

// stringEnd returns the place of the quote that ends the string which begins at a
// place, or the end of the text.
func stringEnd(text string, at int) int {
	for at++; at < len(text) && text[at] != '"'; at++ {
		if text[at] == '\\' {
			at++
		}
	}
	return min(at, len(text))
}

// nestedEnd returns where the object or array ends that begins at a place.
func nestedEnd(text string, at int) int {
	for depth := 0; at < len(text); at++ {
		switch text[at] {
		case '"':
			at = stringEnd(text, at)
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			}
		}
	}
	return len(text)
}

// plainValue finds the value behind a sign: behind a colon the rest of the line,
// behind an equals sign what stands in quotes, or up to what ends a parameter. Spaces on
// both sides of one do not count.
func (h *hunt) plainValue(text string, at int) int {
	ends := "\r\n"
	start := at + 1
	for start < len(text) && text[start] == ' ' && (text[at] == ':' || at > 0 && text[at-1] == ' ') {
		start++
	}
	if text[at] == '=' {
		ends = "&#\"'<>,; \t\r\n"
		if start < len(text) && (text[start] == '"' || text[start] == '\'') {
			ends = text[start : start+1]
			start++
		}
	}
	end := len(text)
	if n := strings.IndexAny(text[min(start, end):], ends); n >= 0 {
		end = start + n
	}
	h.add(start, end)
	return max(end, at+1)
}
