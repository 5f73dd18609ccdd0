package domain

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestFaultsOfOurs: what is no refusal is told to the operator, and not to clients.
func TestFaultsOfOurs(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	w := httptest.NewRecorder()
	answerError(w, errors.New("domain: the reason"))
	assert.Contains(t, log.String(), "level=ERROR")
	assert.Contains(t, log.String(), "domain: the reason")
	refused(t, answer{w.Code, w.Header().Get("Content-Type"), w.Body.String()}, 500, "The server failed to answer.")
}
