package admin

import (
	"net/http"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// entryJSON is an entry of the access log as clients see it. What belongs to few
// kinds of entries is left out where it is empty.
type entryJSON struct {
	ID                string         `json:"id"`
	Time              time.Time      `json:"time"`
	RequestID         string         `json:"requestId"`
	KeyID             string         `json:"keyId"`
	Outcome           apikey.Outcome `json:"outcome"`
	Reason            string         `json:"reason"`
	Fingerprint       string         `json:"fingerprint,omitempty"`
	Method            string         `json:"method"`
	Path              string         `json:"path"`
	Route             string         `json:"route"`
	Query             string         `json:"query"`
	Permission        string         `json:"permission"`
	Status            int            `json:"status"`
	RequestBytes      int64          `json:"requestBytes"`
	ResponseBytes     int64          `json:"responseBytes"`
	DurationMicros    int64          `json:"durationMicros"`
	Client            string         `json:"client"`
	RequestBody       string         `json:"requestBody"`
	RequestType       string         `json:"requestType,omitempty"`
	RequestTruncated  bool           `json:"requestTruncated"`
	RequestOmitted    string         `json:"requestOmitted,omitempty"`
	ResponseBody      string         `json:"responseBody"`
	ResponseType      string         `json:"responseType,omitempty"`
	ResponseTruncated bool           `json:"responseTruncated"`
	ResponseOmitted   string         `json:"responseOmitted,omitempty"`
	Actor             string         `json:"actor,omitempty"`
	Action            apikey.Action  `json:"action,omitempty"`
	Detail            string         `json:"detail,omitempty"`
	Lost              int64          `json:"lost,omitempty"`
}

func newEntryJSON(e *apikey.LogEntry) entryJSON {
	return entryJSON{
		ID: e.ID, Time: e.Time.UTC(), RequestID: e.RequestID,
		KeyID: e.KeyID, Outcome: e.Outcome, Reason: e.Reason, Fingerprint: e.Fingerprint,
		Method: e.Method, Path: e.Path, Route: e.Route, Query: e.Query, Permission: e.Permission,
		Status: e.Status, RequestBytes: e.RequestBytes, ResponseBytes: e.ResponseBytes,
		DurationMicros: e.Duration.Microseconds(), Client: e.Client,
		RequestBody: e.Request.Text, RequestType: e.Request.Type,
		RequestTruncated: e.Request.Truncated, RequestOmitted: e.Request.Omitted,
		ResponseBody: e.Response.Text, ResponseType: e.Response.Type,
		ResponseTruncated: e.Response.Truncated, ResponseOmitted: e.Response.Omitted,
		Actor: e.Actor, Action: e.Action, Detail: e.Detail, Lost: e.Lost,
	}
}

func (a *api) accessLogs(w http.ResponseWriter, r *http.Request) {
	f, p := parseLogFilter(r.URL.RawQuery)
	if p == nil {
		p = f.problem()
	}
	if p != nil {
		writeProblem(w, p)
		return
	}
	f.query.Bodies = true
	entries, next, err := a.auth.AccessLog(r.Context(), f.query)
	if err != nil {
		writeProblem(w, a.explainLog(err))
		return
	}
	page := struct {
		Entries []entryJSON `json:"entries"`
		Next    string      `json:"next,omitempty"`
	}{Entries: []entryJSON{}, Next: sealCursor(next)}
	for i := range entries {
		page.Entries = append(page.Entries, newEntryJSON(&entries[i]))
	}
	a.writeJSON(w, r, http.StatusOK, page)
}
