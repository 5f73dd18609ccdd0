package apikey

import (
	"errors"
	"net/http"
	"strings"
	"unsafe"
)

// A searchedBody is a body that was read to look for a key. It is one allocation with
// the body that the handler gets instead.
type searchedBody struct {
	data   []byte
	replay replayedBody
	pairs  stretch    // of a form: all that have the name of a source are in here
	member jsonMember // of a JSON text
	// parsed: the form was read by an earlier handler, and stands in r.PostForm.
	// There is data all the same if that handler has put the body back.
	parsed bool
}

// request returns r with a body that reads as r's did before it was searched.
func (b *searchedBody) request(r *http.Request) *http.Request {
	if b == nil || b.spent() {
		return r
	}
	replayed := *r
	b.putBack(&replayed)
	return &replayed
}

// putBack gives next a body that reads as b does. It takes b's data.
func (b *searchedBody) putBack(next *http.Request) {
	if b == nil || b.spent() {
		return
	}
	b.replay.left, b.data = b.data, nil
	next.Body = &b.replay
}

// spent reports whether there is no body, or its form is parsed and nothing left.
func (b *searchedBody) spent() bool {
	return b.replay.rest == nil || b.parsed && len(b.data) == 0
}

// extractBody looks for a key in the body, if it is of a type in which one of the
// sources can stand. Any other body is neither read nor judged.
func (a *Authority) extractBody(w http.ResponseWriter, r *http.Request, found *presented) *failure {
	kind, f := a.bodyKind(r)
	if kind == sourceNone || f != nil {
		return f
	}
	body := &searchedBody{
		parsed: kind == sourceForm && isFormParsed(r),
		replay: replayedBody{rest: r.Body},
	}
	found.body = body
	if f = a.readBody(w, r, body); f != nil && !body.spent() {
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
	if s.kind == sourceJSON {
		return b.findJSON(s.name)
	}
	text, at, f := locatePair(asString(b.data), s.name)
	b.pairs = b.pairs.and(at)
	if b.parsed && f == nil {
		return oneOf(append([]string{strings.Clone(text)}, r.PostForm[s.name]...))
	}
	return strings.Clone(text), f
}

// asString returns b's bytes as a string that must not outlive a change of them.
// The alternative is a second copy of every searched form.
func asString(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // nobody changes what is still to be read of it
}

func (b *searchedBody) findJSON(name string) (string, *failure) {
	member, err := scanJSONRoot(b.data, name)
	if err != nil {
		return "", &failure{
			reason: ErrMalformedRequest,
			cause:  err,
			detail: "The request body is not well-formed JSON with at most one " + name + ": " + err.Error() + ".",
		}
	}
	if member.found && member.kind == jsonOther {
		return "", &failure{
			reason: ErrMalformedRequest,
			cause:  errKeyNotText,
			detail: "The JSON property " + name + " must be a string.",
		}
	}
	b.member = member
	return member.value, nil
}

var errKeyNotText = errors.New("apikey: the JSON property that holds the key is not a string")
