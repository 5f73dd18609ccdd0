package sqlstore

import (
	"cmp"
	"database/sql"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-be062aaa/apikey"
)

// The columns of the log's tables, in the order in which rows are written.
var (
	logColumns = []string{
		"id", "series", "key_id", "request_id", "path", "query", "client", "request_bytes", "response_bytes", "duration",
		"bytes", "method", "route", "permission", "fingerprint", "actor", "detail", "lost",
	}
	bodyColumns = []string{
		"id", "request_type", "request_truncated", "request_omitted", "response_type", "response_truncated",
		"response_omitted", "request", "response",
	}
	slotColumns = []string{"slot", "term", "batch"}
)

// entryBytes is what an entry counts for beside its texts.
const entryBytes = 100

// A logRow is an entry on its way to the database.
type logRow struct {
	id     logID
	entry  *apikey.LogEntry
	series int64
	rest   logRest
}

// bytes returns what the row counts for where the log is bounded by bytes.
func (r *logRow) bytes() int64 {
	e := r.entry
	n := entryBytes + len(e.KeyID) + len(e.Path) + len(e.Query) + len(e.Client) + len(e.Fingerprint) +
		len(e.Actor) + len(e.Detail) + len(r.rest.method) + len(r.rest.route) + len(r.rest.permission)
	for _, b := range []*apikey.LogBody{&e.Request, &e.Response} {
		n += len(b.Text) + len(b.Type) + len(b.Omitted)
	}
	return int64(n)
}

// values appends the row's values, in the order of logColumns.
func (r *logRow) values(to []any) []any {
	e := r.entry
	requestID := any(nil)
	if e.RequestID != e.ID {
		requestID = storable(e.RequestID)
	}
	return append(to,
		r.id[:], r.series, orNull(e.KeyID), requestID, storable(e.Path), orNull(e.Query), storable(e.Client),
		e.RequestBytes, e.ResponseBytes, e.Duration.Microseconds(), r.bytes(),
		orNull(r.rest.method), orNull(r.rest.route), orNull(r.rest.permission),
		orNull(e.Fingerprint), orNull(e.Actor), orNull(e.Detail), sql.NullInt64{Int64: e.Lost, Valid: e.Lost != 0})
}

func (r *logRow) hasBodies() bool {
	none := apikey.LogBody{}
	return r.entry.Request != none || r.entry.Response != none
}

// bodies appends the values of the row's bodies, in the order of bodyColumns.
func (r *logRow) bodies(to []any) []any {
	in, out := &r.entry.Request, &r.entry.Response
	return append(to,
		r.id[:], storable(in.Type), in.Truncated, storable(in.Omitted),
		storable(out.Type), out.Truncated, storable(out.Omitted), storable(in.Text), storable(out.Text))
}

// storable returns a text that every database takes: one that took exception to
// an entry would have it written again for ever.
func storable(text string) string {
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// orNull saves what an empty text costs.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return storable(text)
}

// logSelection is what scanEntry reads, and bodySelection what is read then
// where texts of bodies are asked for.
const (
	logSelection = `l.id, l.series, COALESCE(l.key_id, ''), l.request_id, l.path, COALESCE(l.query, ''), l.client,
		l.request_bytes, l.response_bytes, l.duration,
		COALESCE(l.method, ''), COALESCE(l.route, ''), COALESCE(l.permission, ''),
		COALESCE(l.fingerprint, ''), COALESCE(l.actor, ''), COALESCE(l.detail, ''), COALESCE(l.lost, 0),
		COALESCE(b.request_type, ''), b.request_truncated, COALESCE(b.request_omitted, ''),
		COALESCE(b.response_type, ''), b.response_truncated, COALESCE(b.response_omitted, '')`
	bodySelection = `, COALESCE(b.request, ''), COALESCE(b.response, '')`
)

// scanEntry reads one row of logSelection. The series has still to be filled in.
func scanEntry(rows *sql.Rows, bodies bool) (r logRow, err error) {
	var (
		e             apikey.LogEntry
		id            sql.RawBytes
		requestID     sql.NullString
		duration      int64
		inCut, outCut sql.NullBool
	)
	into := []any{
		&id, &r.series, &e.KeyID, &requestID, &e.Path, &e.Query, &e.Client, &e.RequestBytes, &e.ResponseBytes, &duration,
		&r.rest.method, &r.rest.route, &r.rest.permission, &e.Fingerprint, &e.Actor, &e.Detail, &e.Lost,
		&e.Request.Type, &inCut, &e.Request.Omitted, &e.Response.Type, &outCut, &e.Response.Omitted,
	}
	if bodies {
		into = append(into, &e.Request.Text, &e.Response.Text)
	}
	if err := rows.Scan(into...); err != nil {
		return r, err
	}
	if len(id) != len(r.id) {
		return r, fmt.Errorf("an ID has %d bytes, want %d", len(id), len(r.id))
	}
	copy(r.id[:], id)
	e.ID, e.Time, e.RequestID = r.id.String(), r.id.time(), requestID.String
	if !requestID.Valid {
		e.RequestID = e.ID
	}
	e.Duration = time.Duration(duration) * time.Microsecond
	e.Request.Truncated, e.Response.Truncated = inCut.Bool, outCut.Bool
	r.entry = &e
	return r, nil
}

// fill adds what the entry has in common with others.
func (r *logRow) fill(s *logSeries) {
	e := r.entry
	e.Outcome, e.Reason, e.Status, e.Action = apikey.Outcome(s.outcome), s.reason, s.status, apikey.Action(s.action)
	e.Method = cmp.Or(r.rest.method, s.method)
	e.Route = cmp.Or(r.rest.route, s.route)
	e.Permission = cmp.Or(r.rest.permission, s.permission)
}
