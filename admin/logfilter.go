package admin

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-be062aaa/apikey"
)

// logParameters are the names that a query of the access log may have.
var logParameters = []string{"keyId", "outcome", "status", "method", "path", "from", "to", "limit", "cursor"}

// A logFilter is what a query of the access log asks for.
type logFilter struct {
	query apikey.LogQuery
	errs  []fieldProblem // one for each parameter that is wrong
}

// problem names the parameters that are wrong and what is legal, or is nil.
func (f *logFilter) problem() *problem {
	if len(f.errs) == 0 {
		return nil
	}
	return badParameters(f.errs)
}

func badParameters(errs []fieldProblem) *problem {
	return &problem{
		Status: http.StatusBadRequest, Errors: errs,
		Detail: "The parameter " + errs[0].Field + " " + errs[0].Detail + ".",
	}
}

// parseLogFilter reads the parameters of a query. The problem is one of the query
// as a whole.
func parseLogFilter(rawQuery string) (*logFilter, *problem) {
	params, p := parseParameters(rawQuery, logParameters)
	if p != nil {
		return nil, p
	}
	f := &logFilter{query: apikey.LogQuery{Limit: defaultLimit, KeyID: params.Get("keyId"), Path: params.Get("path")}}
	for _, name := range []string{"keyId", "path"} {
		if !utf8.ValidString(params.Get(name)) {
			f.fail(name, "must be UTF-8")
		}
	}
	f.outcome(params.Get("outcome"))
	f.number("status", params.Get("status"), 100, 599, &f.query.Status)
	f.number("limit", params.Get("limit"), 1, maxLimit, &f.query.Limit)
	f.method(params.Get("method"))
	f.moment("from", params.Get("from"), &f.query.From)
	f.moment("to", params.Get("to"), &f.query.To)
	if f.query.From.After(f.query.To) && !f.query.To.IsZero() {
		f.fail("to", "must not lie before from")
	}
	if cursor := params.Get("cursor"); cursor != "" {
		var ok bool
		if f.query.Cursor, ok = openCursor(cursor); !ok {
			f.fail("cursor", "must be the next of another page")
		}
	}
	return f, nil
}

func (f *logFilter) fail(name, detail string) {
	f.errs = append(f.errs, fieldProblem{name, detail})
}

func (f *logFilter) outcome(text string) {
	f.query.Outcome = apikey.Outcome(text)
	if text != "" && !slices.Contains(apikey.Outcomes(), f.query.Outcome) {
		f.fail("outcome", "must be one of "+joined(apikey.Outcomes()))
	}
}

func (f *logFilter) number(name, text string, least, most int, target *int) {
	if text == "" {
		return
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		f.fail(name, fmt.Sprintf("must be a number from %d to %d", least, most))
		return
	}
	*target = n
}

func (f *logFilter) method(text string) {
	f.query.Method = text
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		f.fail("method", "must be an HTTP method as it was sent, such as GET")
	}
}

// moments are the ways to write a time. Without a zone it is UTC, as forms send it.
var moments = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly}

func (f *logFilter) moment(name, text string, target *time.Time) {
	if text == "" {
		return
	}
	t, ok := parseMoment(text)
	if !ok {
		f.fail(name, "must be a time as in RFC 3339, such as 2026-01-31T09:30:00Z")
	}
	*target = t
}

func parseMoment(text string) (time.Time, bool) {
	for _, layout := range moments {
		if t, err := time.Parse(layout, text); err == nil && !t.IsZero() {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// sealCursor adds a check sum to where a log continues, so that what no page has
// named is the client's mistake, and not taken for a failure of the log.
func sealCursor(cursor string) string {
	if cursor == "" {
		return ""
	}
	sealed := binary.BigEndian.AppendUint32([]byte(cursor), crc32.ChecksumIEEE([]byte(cursor)))
	return base64.RawURLEncoding.EncodeToString(sealed)
}

func openCursor(text string) (cursor string, ok bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(sealed) <= 4 {
		return "", false
	}
	body, sum := sealed[:len(sealed)-4], sealed[len(sealed)-4:]
	return string(body), crc32.ChecksumIEEE(body) == binary.BigEndian.Uint32(sum)
}

const noReadableLog = "This server keeps no access log that can be read."

// explainLog is explain for an error of the access log.
func (o *office) explainLog(err error) *problem {
	if errors.Is(err, errors.ErrUnsupported) {
		return &problem{Status: http.StatusNotImplemented, Detail: noReadableLog}
	}
	if errs := fieldProblems(err); len(errs) > 0 {
		return badParameters(errs)
	}
	if !errors.Is(err, context.Canceled) {
		o.opts.Logger.Error("admin: the access log failed", "error", err)
	}
	return &problem{Status: http.StatusServiceUnavailable, Detail: "The access log cannot be reached at the moment."}
}
