package apikey

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
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
func (a *Authority) extractBody(w http.ResponseWriter, r *http.Request) (presented, *failure) {
	var found presented
	kind, f := a.bodyKind(r)
	if kind == sourceNone || f != nil {
		return found, f
	}
	body := &searchedBody{parsed: kind == sourceForm && isFormParsed(r)}
	found.body = body
	body.data, body.whole, f = a.readBody(w, r, body.parsed)
	if f != nil && !body.spent() {
		return found, f
	}
	for i, s := range a.sources {
		if s.kind != kind {
			continue
		}
		text, f := body.find(s, r)
		if f == nil {
			f = found.add(text, a.sources[i:i+1:i+1])
		}
		if f != nil {
			return found, f
		}
	}
	return found, nil
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

var (
	errKeyNotText  = errors.New("apikey: the JSON property that holds the key is not a string")
	errContentType = errors.New("apikey: the Content-Type is repeated or malformed, or names a charset other than UTF-8")
	errCoding      = errors.New("apikey: the body has a content coding")
	errBodyRead    = errors.New("apikey: the body could not be read to its end")
)

// bodyKind returns the kind of source that the body's type belongs to, or
// sourceNone where there is nothing to search.
func (a *Authority) bodyKind(r *http.Request) (sourceKind, *failure) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
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
	kind := sourceNone
	switch start, _, _ := cutAny(line, ";,"); {
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
	charset := params["charset"]
	return err == nil && (charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii"))
}

func isIdentity(encodings []string) bool {
	return !slices.ContainsFunc(encodings, func(e string) bool {
		return e != "" && !strings.EqualFold(e, "identity")
	})
}

// firstRead is what is set aside for a body before any of it is there, so that
// those who declare much and send nothing hold little.
const firstRead = 4 << 10

// readBody reads the body to its end, within the limits of size, time, and the
// bytes that all requests together may have waiting. What it read is returned
// with a failure too. The caller gives it back to the budget. Of a body that was
// read before, the declared length says nothing.
func (a *Authority) readBody(
	w http.ResponseWriter, r *http.Request, before bool,
) (data []byte, whole bool, f *failure) {
	if r.ContentLength > a.opts.MaxBody && !before {
		return nil, false, &failure{reason: ErrBodyTooLong}
	}
	defer func() {
		if !whole && f == nil { // the body panicked, and nobody else will give it back
			a.budget.give(len(data))
		}
	}()
	deadline := a.setDeadline(w, r)
	size := int64(firstRead)
	if r.ContentLength > 0 {
		size = min(size, r.ContentLength)
	}
	data = make([]byte, 0, size+1) // one more, to meet the end without growing
	for {
		n, err := r.Body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		fits := a.budget.take(n)
		switch {
		case int64(len(data)) > a.opts.MaxBody:
			return data, false, &failure{reason: ErrBodyTooLong}
		case !fits:
			return data, false, &failure{reason: ErrOverloaded}
		case err == io.EOF:
			deadline.lift()
			return data, true, nil
		case err != nil:
			return data, false, readFailure(err)
		}
		if len(data) == cap(data) {
			data = slices.Grow(data, len(data))
		}
	}
}

func readFailure(err error) *failure {
	var tooLong *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &failure{reason: ErrBodyTimeout}
	case errors.As(err, &tooLong):
		return &failure{reason: ErrBodyTooLong}
	}
	return &failure{reason: ErrMalformedRequest, cause: errBodyRead, detail: "The request body ended early."}
}

// A readDeadline bounds the reading of one body. Where the writer offers none,
// it is zero and does nothing.
type readDeadline struct{ control *http.ResponseController }

// setDeadline gives the body as long as the Authority allows, and no longer than
// the server would.
func (a *Authority) setDeadline(w http.ResponseWriter, r *http.Request) readDeadline {
	limit := a.opts.BodyTimeout
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && server.ReadTimeout > 0 {
		limit = min(limit, server.ReadTimeout)
	}
	if w == nil || limit <= 0 {
		return readDeadline{}
	}
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Now().Add(limit)) != nil {
		return readDeadline{}
	}
	return readDeadline{control}
}

// lift ends the deadline once the body is read. Left in place, it would cancel
// the context of a handler that runs longer. After a failure it stays, for the
// server reads on to find the next request.
func (d readDeadline) lift() {
	if d.control != nil {
		_ = d.control.SetReadDeadline(time.Time{})
	}
}

// A byteBudget bounds the bytes that many requests hold together.
type byteBudget struct {
	limit int64 // 0: none
	used  atomic.Int64
}

// take notes n more bytes, also where they are too many.
func (b *byteBudget) take(n int) bool {
	return b.used.Add(int64(n)) <= b.limit || b.limit <= 0
}

func (b *byteBudget) give(n int) { b.used.Add(-int64(n)) }
