package apikey

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxMisplaced is how many such texts of one request are looked for in its entry. Of
// a request with more, which no client sends by mistake, no text is kept.
const maxMisplaced = 8

// maxSought is how many bytes of texts that may be keys are looked for in one entry:
// each byte of a long one costs the recorder time.
const maxSought = 4 << 10

// isCrowd reports whether a request had too many, or too long, of them.
func isCrowd(rec *record) bool {
	n := len(rec.presented[0]) + len(rec.presented[1])
	for _, text := range rec.misplaced {
		n += len(text)
	}
	return len(rec.misplaced) > maxMisplaced || n > maxSought
}

// misplaced notes the texts that may be keys of a request in which no one key was
// found: because they differ, or stand where other routes of this Authority, or
// other servers, look for keys. Clients send keys in the wrong place.
func (v *visit) misplaced(r *http.Request, sources []Source) {
	if v == nil {
		return
	}
	others := v.core().opts.Sources
	for ; v != nil; v = v.outer { // whose entry has the same query, and knows less of it
		v.note(func(rec *record) {
			rec.astray(authorizations(r.Header["Authorization"])...)
			rec.astrayIn(r, sources)
			if &sources[0] != &others[0] {
				rec.astrayIn(r, others)
			}
		})
	}
}

// inDoubt keeps bodies out of the entries of outer Authorities, where this one has found
// something in a body that may be keys, and cannot say which texts of it.
func (v *visit) inDoubt() {
	for v != nil && v.outer != nil {
		v = v.outer
		v.mu.Lock()
		v.private = true
		v.mu.Unlock()
	}
}

// astrayIn notes what stands in those of the places that are outside the body.
func (rec *record) astrayIn(r *http.Request, places []Source) {
	for i := range places {
		switch s := &places[i]; s.kind {
		case sourceHeader:
			rec.astray(r.Header[s.name]...)
		case sourceQuery:
			rec.astray(pairValues(r.URL.RawQuery, s.name)...)
		}
	}
}

// astray notes texts that may be keys, up to one too many.
func (rec *record) astray(texts ...string) {
	for _, text := range texts {
		if text != "" && len(rec.misplaced) <= maxMisplaced &&
			!slices.Contains(rec.presented[:], text) && !slices.Contains(rec.misplaced, text) {
			rec.misplaced = append(rec.misplaced, text)
		}
	}
}

// ofOneKey reports whether a request was refused for what its only key is.
func (r Reason) ofOneKey() bool {
	switch r {
	case ErrUnknownKey, ErrKeyDisabled, ErrKeyExpired, ErrKeyRevoked, ErrSourceRefused, ErrForbidden, ErrStoreFailed:
		return true
	}
	return false
}

// authorizations returns what may be keys in Authorization headers of any scheme, or
// of none.
func authorizations(lines []string) (texts []string) {
	for _, line := range lines {
		_, credentials, found := strings.Cut(line, " ")
		if !found {
			credentials = line
		}
		texts = append(texts, credentials)
		if plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(credentials, "=")); err == nil {
			_, password, _ := strings.Cut(string(plain), ":")
			texts = append(texts, password)
		}
	}
	return texts
}

// pairValues returns the values of the pairs of that name, in either case, as they are
// where they cannot be decoded.
func pairValues(query, name string) (values []string) {
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(key); err == nil {
			key = plain
		}
		if !strings.EqualFold(key, name) {
			continue
		}
		if plain, err := url.QueryUnescape(value); err == nil {
			value = plain
		}
		values = append(values, value)
	}
	return values
}
