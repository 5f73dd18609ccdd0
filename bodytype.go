package apikey

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
)

const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

var (
	errContentType = errors.New("apikey: the Content-Type is repeated or malformed, or names a charset other than UTF-8")
	errCoding      = errors.New("apikey: the body has a content coding")
)

// bodyKind returns the kind of source that the body's type belongs to, or
// sourceNone where there is nothing to search.
func (a *Authority) bodyKind(r *http.Request) (sourceKind, *failure) {
	if none := r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0; none && len(r.PostForm) == 0 {
		return sourceNone, nil
	}
	lines := r.Header["Content-Type"]
	for _, line := range lines {
		kind := a.kindOfType(line)
		if kind == sourceNone {
			continue
		}
		if len(lines) > 1 || !isPlainType(line) {
			return kind, &failure{reason: ErrMediaType, cause: errContentType}
		}
		if !isIdentity(r.Header["Content-Encoding"]) {
			return kind, &failure{reason: ErrMediaType, cause: errCoding}
		}
		return kind, nil
	}
	return sourceNone, nil
}

// kindOfType looks at the start of a Content-Type alone, so that a malformed one
// of a searched type is refused and not passed on to a handler that might
// understand it after all.
func (a *Authority) kindOfType(line string) sourceKind {
	start := line
	if line != typeForm && line != typeJSON { // as nearly all are spelt
		start, _, _ = cutAny(line, ";,")
	}
	kind := sourceNone
	switch {
	case strings.EqualFold(start, typeForm):
		kind = sourceForm
	case strings.EqualFold(start, typeJSON):
		kind = sourceJSON
	}
	if !slices.ContainsFunc(a.sources, func(s Source) bool { return s.kind == kind }) {
		return sourceNone
	}
	return kind
}

func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return strings.Trim(s[:i], " \t"), s[i+1:], true
	}
	return strings.Trim(s, " \t"), "", false
}

// isPlainType reports whether a Content-Type is well-formed and its charset a
// subset of UTF-8.
func isPlainType(line string) bool {
	if line == typeJSON || line == typeForm {
		return true
	}
	_, params, err := mime.ParseMediaType(line)
	return err == nil && isUTF8(params["charset"])
}

// isUTF8 reports whether a body in that charset, or in none that is named, reads as
// UTF-8.
func isUTF8(charset string) bool {
	return charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii")
}

func isIdentity(encodings []string) bool {
	return !slices.ContainsFunc(encodings, func(e string) bool {
		return e != "" && !strings.EqualFold(e, "identity")
	})
}
