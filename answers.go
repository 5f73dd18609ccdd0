package apikey

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An ErrorHandler answers a refused request. It runs in place of the handler,
// with the request as it came: unscrubbed, its body not yet read. (Only with
// [ErrLogFull] a body that was searched for a key is gone.) It should call
// [Error.SetHeaders] and repeat nothing that the client sent.
type ErrorHandler func(w http.ResponseWriter, r *http.Request, err *Error)

// SetHeaders sets the headers that go with a refusal in whatever style:
// Cache-Control and X-Content-Type-Options, and where they apply Retry-After and
// WWW-Authenticate.
func (e *Error) SetHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if e.RetryAfter > 0 {
		// Rounded up: a client that comes too early has to wait once more.
		seconds := (e.RetryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	if len(e.Challenges) > 0 {
		h["Www-Authenticate"] = slices.Clone(e.Challenges) // e may be shared
	}
}

// problem is a problem detail of RFC 9457. Its type is left out, which means
// about:blank: the status says it all.
type problem struct {
	Title   string       `json:"title"`
	Status  int          `json:"status"`
	Detail  string       `json:"detail"`
	Missing []Permission `json:"missing,omitempty"`
}

// A renderedProblem is the body of an answer, and what it was made of.
type renderedProblem struct {
	status int
	detail string
	body   []byte
}

func render(e *Error) *renderedProblem {
	body, _ := json.Marshal(problem{http.StatusText(e.Status), e.Status, e.Detail, e.Missing})
	return &renderedProblem{e.Status, e.Detail, append(body, '\n')}
}

// ProblemErrors answers with application/problem+json (RFC 9457): 401 for no
// valid credential, 403 naming the missing permissions for a valid key, and the
// other statuses of [Error]. It is the default.
func ProblemErrors(w http.ResponseWriter, _ *http.Request, err *Error) {
	err = err.completed()
	made := err.rendered
	if made == nil || made.status != err.Status || made.detail != err.Detail || len(err.Missing) > 0 {
		made = render(err)
	}
	err.SetHeaders(w.Header())
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(err.Status)
	_, _ = w.Write(made.body)
}

// otterSentence is what Inedo's products print, word for word.
const otterSentence = "The specified API key does not have the proper permissions to perform this action."

// OtterErrors answers as Inedo Otter does: one sentence of plain text, and 403
// where others tell 401 from 403. Route groups that take Basic, Bearer or the like still
// answer 401 with a challenge, since their clients wait for it.
func OtterErrors(w http.ResponseWriter, _ *http.Request, err *Error) {
	refusal := *err.completed()
	switch refusal.Status {
	case http.StatusUnauthorized:
		refusal.Detail = otterSentence
		if !refusal.httpAuth {
			refusal.Status, refusal.Challenges = http.StatusForbidden, nil
		}
	case http.StatusForbidden:
		refusal.Detail = otterSentence
	}
	refusal.SetHeaders(w.Header())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(refusal.Status)
	_, _ = io.WriteString(w, refusal.Detail+"\n")
}

// challenges returns one challenge for each HTTP authentication scheme among the
// sources, or else one of a scheme that makes no browser ask for a password.
func challenges(sources []Source, realm string) (values []string, httpAuth bool) {
	quoted := `realm="` + realm + `"`
	for _, s := range sources {
		challenge := ""
		switch s.kind {
		case sourceBasic:
			challenge = "Basic " + quoted + `, charset="UTF-8"`
		case sourceScheme:
			challenge = s.spelt + " " + quoted
		}
		if challenge != "" && !slices.Contains(values, challenge) {
			values = append(values, challenge)
		}
	}
	if len(values) > 0 {
		return values, true
	}
	return []string{"ApiKey " + quoted}, false
}

// waysIn tells a client how to pass a key.
func waysIn(sources []Source) string {
	ways := make([]string, len(sources))
	for i, s := range sources {
		ways[i] = s.String()
	}
	return "Pass it as " + strings.Join(ways, ", or ") + "."
}
