package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
)

// clientError is a refusal: an error that is the client's to mend. Its message is shown as it stands.
type clientError struct {
	status  int
	message string
}

func (e *clientError) Error() string { return e.message }

// refuse builds a refusal. Names from the request go in by %q, which keeps them on one line;
// values do not go in at all, since a value may be a secret.
func refuse(status int, format string, args ...any) error {
	return &clientError{status, fmt.Sprintf(format, args...)}
}

// answerError writes a refusal. Anything else is a fault of ours, whose text is for the log and kept
// from clients.
func answerError(w http.ResponseWriter, err error) {
	if refused, ok := errors.AsType[*clientError](err); ok {
		http.Error(w, refused.message, refused.status)
		return
	}
	slog.Error("otter: a request could not be answered", "error", err)
	http.Error(w, "The server failed to answer.", http.StatusInternalServerError)
}

// answerText writes text as the whole body, without the line feed that http.Error adds, so that a
// token or a value can be used as it comes.
func answerText(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// A variable's value is whatever somebody stored; with this no browser takes it for a page.
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, text) //nolint:gosec // G705: it is plain text, and may not be sniffed
}

// answerJSON writes v. Markup in strings is not escaped: values come back as they were stored.
func answerJSON(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		answerError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// answerEmpty writes 200 without a body, unless err is a refusal.
func answerEmpty(w http.ResponseWriter, err error) {
	if err != nil {
		answerError(w, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}
