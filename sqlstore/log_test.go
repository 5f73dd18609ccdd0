package sqlstore

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// The statements themselves are tested through the packages of the databases.

func TestLogIDs(t *testing.T) {
	at := time.Date(2026, time.March, 29, 1, 30, 0, 123456789, time.UTC)
	id := firstLogID(at.Truncate(time.Microsecond))
	assert.Equal(t, at.Truncate(time.Microsecond), id.time())
	got, err := parseLogID(id.String())
	require.NoError(t, err)
	assert.Equal(t, id, got)
	for _, text := range []string{"", id.String()[1:], id.String() + "0", strings.ToUpper(id.String()), strings.Repeat("0", 25) + "1"} {
		_, err := parseLogID(text)
		require.Error(t, err, text)
	}
	assert.Equal(t, firstLogID(at.Truncate(time.Microsecond).Add(time.Microsecond)), firstLogID(at), "rounded up")
	assert.Equal(t, logID{}, firstLogID(time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)))
	assert.Equal(t, idOfNanos(math.MaxInt64), firstLogID(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)))
	assert.Equal(t, 1, id.next().compare(id))
	assert.Equal(t, logID{14: 1}, logID{15: 0xff}.next())
	assert.Equal(t, id.slot(), slotStart(id.slot()).slot())
	assert.LessOrEqual(t, slotStart(id.slot()).compare(id), 0)
	assert.Equal(t, 1, slotStart(id.slot()+1).compare(id))
}

func TestLiteral(t *testing.T) {
	for _, row := range []struct{ route, want string }{
		{"", ""},
		{"/", "/"},
		{"/api/jobs", "/api/jobs"},
		{"/api/jobs/{id}", "/api/jobs/"},
		{"/api/jobs/{id:[0-9]{3}}/log", "/api/jobs/"},
		{"/api/*", "/api/"},
		{"/api/j{id}", "/api/j"},
		{"GET /api/{rest...}", "/api/"},
		{"GET  \texample.com/api/", "/api/"},
		{"example.com/{$}", "/"},
		{"*", ""},
		{"no slash", "slash"},
	} {
		assert.Equal(t, row.want, literal(row.route), row.route)
	}
}

// A selection must never pass over the series of an entry that it selects.
func TestSeriesMayHoldTheirEntries(t *testing.T) {
	paths := []string{"", "/", "/api", "/api/jobs/1", "/api/jobs/12", "/apis", "/größe"}
	routes := []string{"", "/", "/api/jobs/{id}", "GET /api/{rest...}", "/jobs/{id}", "/*", "example.com/api/jobs/1", "/größe"}
	methods := []string{"", "GET", "get", "PURGE", "DELETE"}
	for _, path := range paths {
		for _, route := range routes {
			for _, method := range methods {
				e := apikey.LogEntry{Outcome: apikey.OutcomeAllowed, Status: 200, Method: method, Path: path, Route: route}
				s, rest := split(&e)
				row := logRow{entry: &apikey.LogEntry{}, rest: rest}
				row.fill(&s)
				require.Equal(t, []string{method, route}, []string{row.entry.Method, row.entry.Route})
				for end := range len(path) + 1 {
					q := apikey.LogQuery{Outcome: e.Outcome, Status: e.Status, Method: method, Path: path[:end]}
					require.True(t, s.mayHold(&q), "%+v of %+v", q, e)
				}
			}
		}
	}
	jobs, _ := split(&apikey.LogEntry{Path: "/api/jobs/1", Route: "/api/jobs/{id}", Method: "GET", Status: 200})
	for _, q := range []apikey.LogQuery{{Path: "/api/servers"}, {Path: "/api/jobsheet"}, {Method: "PUT"}, {Method: "PURGE"}, {Status: 404}, {Outcome: "x"}} {
		assert.False(t, jobs.mayHold(&q), "%+v", q)
	}
}

func TestMeet(t *testing.T) {
	for _, row := range []struct {
		what                string
		slots, others, want []int64
		othersFloor, floor  int64
	}{
		{"nothing", nil, nil, []int64{}, 0, 0},
		{"both to the end", []int64{9, 7, 5, 1}, []int64{8, 7, 1}, []int64{7, 1}, 0, 0},
		{"none of the others", []int64{9, 7}, nil, []int64{}, 0, 0},
		{"beyond what is known of the others", []int64{9, 7, 5, 1}, []int64{9, 8}, []int64{9, 5, 1}, 6, 0},
	} {
		got, floor := meet(row.slots, 0, row.others, row.othersFloor)
		assert.Equal(t, row.want, got, row.what)
		assert.Equal(t, row.floor, floor, row.what)
	}
	many := make([]int64, 0, 2*maxUnknown)
	for slot := range int64(2 * maxUnknown) {
		many = append(many, slot)
	}
	slices.Reverse(many)
	got, floor := meet(many, 0, nil, math.MaxInt64)
	assert.Equal(t, many[:maxUnknown], got)
	assert.Equal(t, int64(maxUnknown), floor)
}

func TestKeyTerms(t *testing.T) {
	assert.Negative(t, keyTerm("k"))
	assert.NotEqual(t, keyTerm("k"), keyTerm("l"))
	// What is in databases must be found by later versions.
	assert.Equal(t, uint64(0xaf63dc4c8601ec8c), uint64(keyTerm("a")))
}

func TestBatches(t *testing.T) {
	rows := make([]logRow, 3*maxBatchRows)
	for i := range rows {
		rows[i].entry = &apikey.LogEntry{}
	}
	n, bytes := firstBatch(rows)
	assert.Equal(t, maxBatchRows, n)
	assert.Equal(t, int64(maxBatchRows*entryBytes), bytes)
	rows[2].entry = &apikey.LogEntry{Request: apikey.LogBody{Text: strings.Repeat("x", maxBatchBytes)}}
	n, _ = firstBatch(rows)
	assert.Equal(t, 3, n)
	n, _ = firstBatch(rows[2:])
	assert.Equal(t, 1, n)
}
