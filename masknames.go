package apikey

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// Names whose values are secrets: as a whole, and at the end of longer names, as
// in newPassword and client_secret.
var (
	wholeSecretNames = []string{
		"auth", "authorization", "cookie", "jwt", "otp", "passcode", "pin", "proxyauthorization", "pwd", "session",
		"sessionid", "setcookie", "sid", "sig", "signature", "ticket",
	}
	endsOfSecretNames = []string{
		"accesskey", "apikey", "bearer", "clientkey", "credential", "credentials", "passphrase", "passwd", "password",
		"privatekey", "secret", "secretkey", "sessionkey", "signingkey", "token",
	}
)

const maxSecretName = 64

// secretNames knows the names of secrets, folded. Most names are ruled out by their
// last two letters.
type secretNames struct {
	whole map[string]bool
	ends  []string
	last  [1 << 10]bool
}

func newSecretNames(more []string) *secretNames {
	n := &secretNames{whole: map[string]bool{}, ends: endsOfSecretNames}
	for _, name := range slices.Concat(wholeSecretNames, more) {
		n.whole[foldName(name)] = true
	}
	for name := range n.whole {
		n.last[lastLetters(name)] = true
	}
	for _, name := range n.ends {
		n.last[lastLetters(name)] = true
	}
	return n
}

// lastLetters returns a number that names have in common whose folded forms end
// alike.
func lastLetters(name string) int {
	number, letters := 0, 0
	for i := len(name) - 1; i >= 0 && letters < 2; i-- {
		if c := name[i]; c != '-' && c != '_' && c != '.' {
			number = number<<5 | int(c&31)
			letters++
		}
	}
	return number
}

func (n *secretNames) has(name string) bool {
	if name == "" || len(name) > maxSecretName || !n.last[lastLetters(name)] {
		return false
	}
	name = foldName(name)
	return n.whole[name] || slices.ContainsFunc(n.ends, func(end string) bool { return strings.HasSuffix(name, end) })
}

// foldName returns a name as secret names are compared: its ASCII letters small,
// without "-", "_" and ".".
func foldName(name string) string {
	folded := make([]byte, 0, maxSecretName)
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '-' || c == '_' || c == '.':
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		folded = append(folded, c)
	}
	return string(folded)
}

// place reports whether a source of that kind has the name.
func (h *hunt) place(kind sourceKind, name string) bool {
	return slices.ContainsFunc(h.places, func(s Source) bool { return s.kind == kind && s.name == name })
}

// findPairs finds the values of secret pairs of a query or a form, and of those
// that a source of that kind names.
func (h *hunt) findPairs(text string, kind sourceKind) {
	for start := 0; start < len(text); {
		end := len(text)
		if n := strings.IndexByte(text[start:], '&'); n >= 0 {
			end = start + n
		}
		if n := strings.IndexByte(text[start:end], '='); n >= 0 {
			name := text[start : start+n]
			if plain, err := url.QueryUnescape(name); err == nil {
				name = plain
			}
			if h.names.has(name) || h.place(kind, name) {
				h.add(start+n+1, end)
			}
		}
		start = end + 1
	}
}

// findNamed finds values behind secret names: "name": value of JSON, name=value of
// URLs and logs, and name: value of headers and YAML. It goes from one colon or
// equals sign to the next, so that a text may be cut or broken.
func (h *hunt) findNamed(text string) {
	var property []string
	for _, s := range h.places {
		if s.kind == sourceJSON {
			property = append(property, s.name)
		}
	}
	signs := signFinder{text: text, colon: -1, equals: -1}
	for at := signs.next(0); at < len(text); at = signs.next(at + 1) {
		name, quoted := nameBefore(text, at)
		switch {
		case name == "":
		case quoted && text[at] == ':' && (h.names.has(name) || slices.Contains(property, name)):
			at = h.jsonValue(text, at+1) - 1
		case quoted:
		case h.names.has(name) || text[at] == '=' && h.isParameter(text, at, name) || text[at] == ':' && h.isHeader(name):
			at = h.plainValue(text, at) - 1
		}
	}
}

// A signFinder finds colons and equals signs, of which most texts have few.
type signFinder struct {
	text          string
	colon, equals int // the last ones found
}

// next returns the place of the next sign from a place on, or the end of the text.
func (f *signFinder) next(from int) int {
	f.colon, f.equals = f.after(f.colon, from, ':'), f.after(f.equals, from, '=')
	return min(f.colon, f.equals)
}

func (f *signFinder) after(last, from int, sign byte) int {
	if last >= from {
		return last
	}
	if n := strings.IndexByte(f.text[from:], sign); n >= 0 {
		return from + n
	}
	return len(f.text)
}

// nameBefore returns the name that ends before the sign at a place, and whether it
// stands in quotes.
func nameBefore(text string, at int) (name string, quoted bool) {
	end := at
	for end > 0 && strings.IndexByte(" \t\r\n", text[end-1]) >= 0 && at-end < 16 {
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
	for start > 0 && end-start <= maxSecretName && isNameByte(text[start-1]) {
		start--
	}
	return text[start:end], false
}

func isNameByte(c byte) bool {
	return digits62of[c] != noDigit || c == '_' || c == '-' || c == '.'
}

// isParameter reports whether the name before the sign at a place is a query
// source's, in something that looks like a URL.
func (h *hunt) isParameter(text string, at int, name string) bool {
	before := at - len(name) - 1
	return before >= 0 && strings.IndexByte("?&;", text[before]) >= 0 && h.place(sourceQuery, name)
}

func (h *hunt) isHeader(name string) bool {
	return slices.ContainsFunc(h.places, func(s Source) bool {
		return s.kind == sourceHeader && strings.EqualFold(s.name, name)
	})
}

// jsonValue finds the value that begins behind a colon, and returns where it ends.
func (h *hunt) jsonValue(text string, at int) int {
	for at < len(text) && strings.IndexByte(" \t\r\n", text[at]) >= 0 {
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
// behind an equals sign what stands in quotes, or up to what ends a parameter.
func (h *hunt) plainValue(text string, at int) int {
	ends := "\r\n"
	start := at + 1
	if text[at] == '=' {
		ends = "&#\"'<>,; \t\r\n"
		if start < len(text) && (text[start] == '"' || text[start] == '\'') {
			ends = text[start : start+1]
			start++
		}
	}
	for start < len(text) && text[start] == ' ' && text[at] == ':' {
		start++
	}
	end := len(text)
	if n := strings.IndexAny(text[min(start, end):], ends); n >= 0 {
		end = start + n
	}
	h.add(start, end)
	return max(end, at+1)
}

// findHeaders finds what follows the words Bearer and Basic, where that can be a
// credential and is no other word.
func (h *hunt) findHeaders(text string) {
	isToken := func(s string) bool { return strings.ContainsAny(s, "0123456789_.-") }
	h.findScheme(text, "earer ", isToken)
	h.findScheme(text, "EARER ", isToken)
	h.findScheme(text, "asic ", isBasic)
	h.findScheme(text, "ASIC ", isBasic)
}

// findScheme finds credentials behind the name of a scheme, whose first letter, a b,
// is left out.
func (h *hunt) findScheme(text, name string, is func(string) bool) {
	for at := 0; ; {
		i := strings.Index(text[at:], name)
		if i < 0 {
			return
		}
		at += i + len(name)
		if before := at - len(name) - 1; before >= 0 && text[before]|0x20 == 'b' {
			h.credential(text, at, is)
		}
	}
}

func (h *hunt) credential(text string, start int, is func(string) bool) {
	end := start
	for end < len(text) && (isBase64(text[end]) || strings.IndexByte("._~", text[end]) >= 0) {
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
