package apikey

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"unsafe"
)

// A searchedBody is a body that was read to look for a key.
type searchedBody struct {
	data  []byte
	whole bool // data is all there is
	// parsed: the form was read by an earlier handler, and stands in r.PostForm.
	// There is data all the same if that handler has put the body back.
	parsed bool
	source Source
	member jsonMember // where source is a JSON property
}

// request returns r with a body that reads as r's did before it was searched.
func (b *searchedBody) request(r *http.Request) *http.Request {
	if b == nil || b.spent() {
		return r
	}
	replayed := *r
	replayed.Body = b.reader(r.Body)
	return &replayed
}

// spent reports whether the form is parsed and its body gone.
func (b *searchedBody) spent() bool { return b.parsed && len(b.data) == 0 }

// reader returns a body that reads as what was read of body, and then its rest.
func (b *searchedBody) reader(body io.ReadCloser) io.ReadCloser {
	replay := struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(b.data), body}
	if !b.whole {
		replay.Reader = io.MultiReader(replay.Reader, body)
	}
	return replay
}

// extractBody looks for a key in the body, if it is of a type in which one of the
// sources can stand. Any other body is neither read nor judged.
func (a *Authority) extractBody(w http.ResponseWriter, r *http.Request, found *presented) *failure {
	kind, f := a.bodyKind(r)
	if kind == sourceNone || f != nil {
		return f
	}
	body := &searchedBody{parsed: kind == sourceForm && isFormParsed(r)}
	found.body = body
	body.data, body.whole, f = a.readBody(w, r, body.parsed)
	if f != nil && !body.spent() {
		return f
	}
	for i := range a.places {
		p := &a.places[i]
		if p.kind != kind {
			continue
		}
		text, f := body.find(p.Source, r)
		if f == nil {
			f = found.add(text, p)
		}
		if f != nil {
			return f
		}
	}
	return nil
}

// isFormParsed reports whether an earlier handler has called ParseForm and so
// consumed an urlencoded body. ParseForm sets PostForm for every method, and
// reads the body for these. It may have been another one then: hosts let a form
// field override it.
func isFormParsed(r *http.Request) bool {
	return len(r.PostForm) > 0 || r.PostForm != nil &&
		(r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch)
}

// find returns what the body holds for s.
func (b *searchedBody) find(s Source, r *http.Request) (string, *failure) {
	b.source = s
	if s.kind == sourceJSON {
		return b.findJSON()
	}
	text, f := findPair(asString(b.data), s.name)
	if b.parsed && f == nil {
		return oneOf(append([]string{strings.Clone(text)}, r.PostForm[s.name]...))
	}
	return strings.Clone(text), f
}

// asString returns b's bytes as a string that must not outlive a change of them.
// The alternative is a second copy of every searched form.
func asString(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // nobody changes b while the string is in use
}

func (b *searchedBody) findJSON() (string, *failure) {
	member, err := scanJSONRoot(b.data, b.source.name)
	if err != nil {
		return "", &failure{
			reason: ErrMalformedRequest,
			cause:  err,
			detail: "The request body is not well-formed JSON with at most one " + b.source.name + ": " + err.Error() + ".",
		}
	}
	if member.found && member.kind == jsonOther {
		return "", &failure{
			reason: ErrMalformedRequest,
			cause:  errKeyNotText,
			detail: "The JSON property " + b.source.name + " must be a string.",
		}
	}
	b.member = member
	return member.value, nil
}

var errKeyNotText = errors.New("apikey: the JSON property that holds the key is not a string")
