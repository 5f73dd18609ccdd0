package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/seed-be062aaa/apikey"
)

// keyJSON is a key as clients see it.
type keyJSON struct {
	apikey.Key
	Weak  bool     `json:"weak"`
	Hints []string `json:"hints"`
}

func newKeyJSON(key *apikey.Key) keyJSON {
	k := keyJSON{*key, key.Weak(), key.Hints()}
	// Empty, and not null: clients loop over them.
	if k.Permissions == nil {
		k.Permissions = []apikey.Permission{}
	}
	if k.Metadata == nil {
		k.Metadata = map[string]string{}
	}
	return k
}

func (a *api) writeIssued(w http.ResponseWriter, r *http.Request, i issued, status int) {
	w.Header().Set("ETag", etagOf(i.key))
	a.writeJSON(w, r, status, struct {
		Key    keyJSON `json:"key"`
		Secret string  `json:"secret,omitempty"`
	}{newKeyJSON(i.key), i.secret.Reveal()})
}

func (a *api) writeJSON(w http.ResponseWriter, r *http.Request, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil { // a store returned what no key can hold
		a.writeError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// problem is a problem detail of RFC 9457, with one entry in Errors for each
// field that is wrong.
type problem struct {
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Detail string         `json:"detail"`
	Errors []fieldProblem `json:"errors,omitempty"`
}

type fieldProblem struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func writeProblem(w http.ResponseWriter, p *problem) {
	p.Title = http.StatusText(p.Status)
	body, _ := json.Marshal(p)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n'))
}

// writeError answers what a call of the Authority returned.
func (a *api) writeError(w http.ResponseWriter, r *http.Request, err error) {
	p := a.explain(r.Context(), err)
	if errors.Is(err, apikey.ErrConflict) && len(r.Header["If-Match"]) > 0 {
		p.Status, p.Detail = http.StatusPreconditionFailed, "The key has changed since you read it. Read it again."
	}
	writeProblem(w, p)
}

// explain says what an error of the Authority means to whoever made the call, and
// tells the operator of what is not theirs.
func (o *office) explain(ctx context.Context, err error) *problem {
	p := &problem{Detail: sentence(err)}
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		p.Status, p.Detail = http.StatusNotFound, "There is no such key."
	case errors.Is(err, apikey.ErrNotDelegated):
		p.Status = http.StatusForbidden
	case errors.Is(err, apikey.ErrInUse):
		p.Status = http.StatusConflict
		p.Errors = []fieldProblem{{"key", "is in use, perhaps by a revoked key; choose another text"}}
	case errors.Is(err, apikey.ErrConflict):
		p.Status, p.Detail = http.StatusConflict, "Others keep changing this key. Try again."
	case errors.Is(err, apikey.ErrKeyRevoked):
		p.Status, p.Detail = http.StatusConflict, "The key was revoked, and stays so."
	case errors.Is(err, apikey.ErrLogFull):
		p.Status, p.Detail = http.StatusServiceUnavailable, "Changes cannot be recorded at the moment. Nothing was changed."
	default:
		if p.Errors = fieldProblems(err); len(p.Errors) > 0 {
			p.Status, p.Detail = http.StatusUnprocessableEntity, "Some fields are not legal."
			break
		}
		// The store's words are for the operator, unless it is the client that left.
		if !errors.Is(err, context.Canceled) {
			o.opts.Logger.ErrorContext(ctx, "admin: the key store failed", "error", err)
		}
		p.Status, p.Detail = http.StatusServiceUnavailable, "The keys cannot be reached at the moment."
	}
	return p
}

// sentence makes an error's text one.
func sentence(err error) string {
	return sentenceOf(strings.ReplaceAll(err.Error(), "apikey: ", ""))
}

// fieldProblems returns the field errors in a tree of joined ones.
func fieldProblems(err error) []fieldProblem {
	if field, ok := err.(*apikey.FieldError); ok { //nolint:errorlint // the tree is walked here, node by node
		return []fieldProblem{{field.Field, field.Problem}}
	}
	var all []fieldProblem
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			all = append(all, fieldProblems(err)...)
		}
	}
	return all
}
