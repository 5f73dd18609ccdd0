package apikey_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// slogged returns the lines that entries become, as JSON reads them.
func slogged(t testing.TB, level slog.Level, entries ...apikey.LogEntry) (lines []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	sink := apikey.NewSlogLog(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: level})))
	require.NoError(t, sink.WriteLog(t.Context(), entries))
	for line := range strings.Lines(out.String()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		delete(fields, "time")
		lines = append(lines, fields)
	}
	return lines
}

func TestEachOutcomeHasItsSlogLevel(t *testing.T) {
	want := map[apikey.Outcome]string{
		apikey.OutcomeAllowed: "INFO", apikey.OutcomeChange: "INFO",
		apikey.OutcomeDenied: "WARN", apikey.OutcomeGap: "WARN",
		apikey.OutcomeError: "ERROR",
	}
	var entries []apikey.LogEntry
	for _, outcome := range apikey.Outcomes() {
		require.Contains(t, want, outcome)
		entries = append(entries, apikey.LogEntry{Outcome: outcome})
	}
	lines := slogged(t, slog.LevelDebug, entries...)
	require.Len(t, lines, len(entries), "one line for each entry, in their order")
	for i, line := range lines {
		assert.Equal(t, want[entries[i].Outcome], line["level"])
		assert.Equal(t, string(entries[i].Outcome), line["outcome"])
		assert.Equal(t, "access", line["msg"])
	}
	require.Len(t, slogged(t, slog.LevelWarn, entries...), 3, "what the handler does not want is not made")
	require.Len(t, slogged(t, slog.LevelError, entries...), 1)
}

func TestASlogLineSaysWhatTheEntryDoes(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	lines := slogged(t, slog.LevelInfo, apikey.LogEntry{
		ID: "1", Time: at, RequestID: "2", KeyID: "3", Outcome: apikey.OutcomeDenied, Reason: "forbidden", Fingerprint: "4",
		Method: "POST", Path: "/p\n", Route: "/{x}", Query: "q", Permission: "jobs:view", Status: 403,
		RequestBytes: -1, ResponseBytes: 7, Duration: 1500 * time.Microsecond, Client: "::1",
		Request:  apikey.LogBody{Text: "asked", Type: "text/plain", Truncated: true},
		Response: apikey.LogBody{Type: "image/png", Omitted: "not a text"},
	}, apikey.LogEntry{
		ID: "5", Time: at, KeyID: "3", Outcome: apikey.OutcomeChange, Actor: "user:1", Action: apikey.ActionUpdate, Detail: "disabled",
	}, apikey.LogEntry{ID: "6", Time: at, Outcome: apikey.OutcomeGap, Lost: 9})
	require.Equal(t, []map[string]any{
		{
			"level": "WARN", "msg": "access", "id": "1", "at": "2026-01-02T03:04:05.000006Z", "requestId": "2", "keyId": "3",
			"outcome": "denied", "reason": "forbidden", "fingerprint": "4", "method": "POST", "path": "/p\n", "route": "/{x}",
			"query": "q", "permission": "jobs:view", "status": 403.0, "requestBytes": -1.0, "responseBytes": 7.0,
			"durationMicros": 1500.0, "client": "::1", "requestBody": "asked", "requestType": "text/plain", "requestTruncated": true,
			"responseType": "image/png", "responseOmitted": "not a text",
		},
		{
			"level": "INFO", "msg": "access", "id": "5", "at": "2026-01-02T03:04:05.000006Z", "keyId": "3", "outcome": "change",
			"actor": "user:1", "action": "update", "detail": "disabled",
		},
		{"level": "WARN", "msg": "access", "id": "6", "at": "2026-01-02T03:04:05.000006Z", "outcome": "gap", "lost": 9.0},
	}, lines, "and nothing that is empty")
}

// A field that is added to the entry is not forgotten here.
func TestASlogLineHasEveryField(t *testing.T) {
	fields := 0
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		switch {
		case v.Type() == reflect.TypeFor[time.Time]():
			v.Set(reflect.ValueOf(time.Now()))
		case v.Kind() == reflect.Struct:
			for _, field := range v.Fields() {
				fill(field)
			}
			return
		case v.Kind() == reflect.String:
			v.SetString("x")
		case v.Kind() == reflect.Bool:
			v.SetBool(true)
		default:
			v.SetInt(123_456)
		}
		fields++
	}
	var e apikey.LogEntry
	fill(reflect.ValueOf(&e).Elem())
	line := slogged(t, slog.LevelInfo, e)[0]
	require.Len(t, line, fields+len([]string{"level", "msg"}))
}
