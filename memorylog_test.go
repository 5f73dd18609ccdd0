package apikey_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// entryAt returns an entry of that second, whose ID sorts accordingly.
func entryAt(second int) apikey.LogEntry {
	at := time.Unix(int64(second), 0).UTC()
	return apikey.LogEntry{ID: apikey.NewLogID(at), Time: at, Outcome: apikey.OutcomeAllowed, Path: fmt.Sprint("/", second)}
}

// entriesAt returns the entries of the seconds first to last.
func entriesAt(first, last int) (entries []apikey.LogEntry) {
	for second := first; second <= last; second++ {
		entries = append(entries, entryAt(second))
	}
	return entries
}

// readAll returns the IDs that all pages of a query have, in their order.
func readAll(t testing.TB, log apikey.LogStore, q apikey.LogQuery) (paths []string) {
	t.Helper()
	for {
		page, next, err := log.ReadLog(t.Context(), q)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), q.Limit)
		for _, e := range page {
			paths = append(paths, e.Path)
		}
		if next == "" {
			return paths
		}
		q.Cursor = next
	}
}

// pathsDown returns the paths of entriesAt, the newest first.
func pathsDown(last, first int) (paths []string) {
	for second := last; second >= first; second-- {
		paths = append(paths, fmt.Sprint("/", second))
	}
	return paths
}

func TestAMemoryLogIsReadNewestFirst(t *testing.T) {
	entries := entriesAt(1, 100)
	for _, limit := range []int{1, 7, 99, 100, 101} {
		log := apikey.NewMemoryLog(1000)
		for _, i := range rand.Perm(10) { // batches come in any order
			require.NoError(t, log.WriteLog(t.Context(), entries[i*10:i*10+10]))
		}
		require.Equal(t, pathsDown(100, 1), readAll(t, log, apikey.LogQuery{Limit: limit}), "in pages of %d", limit)
	}
	empty, next, err := apikey.NewMemoryLog(1).ReadLog(t.Context(), apikey.LogQuery{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, empty)
	require.Empty(t, next)
}

func TestNoPageRepeatsOrSkipsWhatWasThere(t *testing.T) {
	log := apikey.NewMemoryLog(1000)
	require.NoError(t, log.WriteLog(t.Context(), entriesAt(1, 100)))
	q, arrived := apikey.LogQuery{Limit: 9}, 100
	var got []string
	for {
		page, next, err := log.ReadLog(t.Context(), q)
		require.NoError(t, err)
		for _, e := range page {
			got = append(got, e.Path)
		}
		arrived++
		require.NoError(t, log.WriteLog(t.Context(), entriesAt(arrived, arrived)))
		if next == "" {
			break
		}
		q.Cursor = next
	}
	require.Equal(t, pathsDown(100, 1), got)
}

func TestAMemoryLogKeepsTheNewest(t *testing.T) {
	log := apikey.NewMemoryLog(50)
	require.NoError(t, log.WriteLog(t.Context(), entriesAt(101, 180)))
	require.Equal(t, pathsDown(180, 131), readAll(t, log, apikey.LogQuery{Limit: 100}))
	require.NoError(t, log.WriteLog(t.Context(), entriesAt(1, 100)), "a batch that was held up")
	require.Equal(t, pathsDown(180, 131), readAll(t, log, apikey.LogQuery{Limit: 100}))
	require.NoError(t, log.WriteLog(t.Context(), entriesAt(181, 190)))
	require.Equal(t, pathsDown(190, 141), readAll(t, log, apikey.LogQuery{Limit: 100}))
	require.NoError(t, log.WriteLog(t.Context(), nil))
	require.PanicsWithValue(t, "apikey: NewMemoryLog: room for at least one entry is needed", func() { apikey.NewMemoryLog(0) })
}

// A cursor into what has gone since leads to what is older, which has gone too.
func TestACursorOutlivesItsEntry(t *testing.T) {
	log := apikey.NewMemoryLog(10)
	require.NoError(t, log.WriteLog(t.Context(), entriesAt(1, 10)))
	_, next, err := log.ReadLog(t.Context(), apikey.LogQuery{Limit: 5})
	require.NoError(t, err)
	require.NoError(t, log.WriteLog(t.Context(), entriesAt(11, 30)))
	page, next, err := log.ReadLog(t.Context(), apikey.LogQuery{Limit: 5, Cursor: next})
	require.NoError(t, err)
	require.Empty(t, page)
	require.Empty(t, next)
}

func TestAMemoryLogKeepsEachIDOnce(t *testing.T) {
	log := apikey.NewMemoryLog(100)
	batch := entriesAt(1, 10)
	require.NoError(t, log.WriteLog(t.Context(), batch))
	require.NoError(t, log.WriteLog(t.Context(), batch))
	again := batch[3]
	again.Path = "/another"
	require.NoError(t, log.WriteLog(t.Context(), []apikey.LogEntry{again, entryAt(11)}))
	require.Equal(t, pathsDown(11, 1), readAll(t, log, apikey.LogQuery{Limit: 4}))
}

func TestAMemoryLogSelects(t *testing.T) {
	log := apikey.NewMemoryLog(100)
	at := func(second int, edit func(*apikey.LogEntry)) apikey.LogEntry {
		e := entryAt(second)
		edit(&e)
		return e
	}
	entries := []apikey.LogEntry{
		at(1, func(e *apikey.LogEntry) { e.KeyID, e.Method, e.Path, e.Status = "a", "GET", "/jobs/1", 200 }),
		at(2, func(e *apikey.LogEntry) {
			e.KeyID, e.Method, e.Path, e.Status, e.Outcome = "a", "POST", "/jobs", 403, apikey.OutcomeDenied
		}),
		at(3, func(e *apikey.LogEntry) { e.KeyID, e.Method, e.Path, e.Status = "b", "GET", "/feeds/jobs", 200 }),
		at(4, func(e *apikey.LogEntry) {
			e.Method, e.Path, e.Status, e.Outcome = "get", "/Jobs/1", 401, apikey.OutcomeDenied
		}),
		at(5, func(e *apikey.LogEntry) { e.Outcome, e.Path = apikey.OutcomeGap, "" }),
	}
	require.NoError(t, log.WriteLog(t.Context(), entries))
	rows := []struct {
		name string
		q    apikey.LogQuery
		want []int // the newest first
	}{
		{"all", apikey.LogQuery{}, []int{5, 4, 3, 2, 1}},
		{"one ID", apikey.LogQuery{ID: entries[2].ID}, []int{3}},
		{"an ID that is not there", apikey.LogQuery{ID: apikey.NewLogID(time.Unix(9, 0))}, nil},
		{"one key", apikey.LogQuery{KeyID: "a"}, []int{2, 1}},
		{"no such key", apikey.LogQuery{KeyID: "c"}, nil},
		{"an outcome", apikey.LogQuery{Outcome: apikey.OutcomeDenied}, []int{4, 2}},
		{"a status", apikey.LogQuery{Status: 200}, []int{3, 1}},
		{"a method, in its case", apikey.LogQuery{Method: "GET"}, []int{3, 1}},
		{"a path's beginning, in its case", apikey.LogQuery{Path: "/jobs"}, []int{2, 1}},
		{"a longer beginning", apikey.LogQuery{Path: "/jobs/"}, []int{1}},
		{"from a moment on", apikey.LogQuery{From: time.Unix(3, 0)}, []int{5, 4, 3}},
		{"from a little later", apikey.LogQuery{From: time.Unix(3, 1)}, []int{5, 4}},
		{"before a moment", apikey.LogQuery{To: time.Unix(3, 0)}, []int{2, 1}},
		{"a span", apikey.LogQuery{From: time.Unix(2, 0), To: time.Unix(4, 0)}, []int{3, 2}},
		{"all at once", apikey.LogQuery{KeyID: "a", Outcome: apikey.OutcomeDenied, Status: 403, Method: "POST", Path: "/j", From: time.Unix(1, 0), To: time.Unix(3, 0)}, []int{2}},
		{"what contradicts itself", apikey.LogQuery{KeyID: "a", Status: 401}, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			for _, limit := range []int{1, 2, 100} {
				row.q.Limit, row.q.Cursor = limit, ""
				var got []int
				for {
					page, next, err := log.ReadLog(t.Context(), row.q)
					require.NoError(t, err)
					for _, e := range page {
						got = append(got, int(e.Time.Unix()))
					}
					if row.q.Cursor = next; next == "" {
						break
					}
				}
				require.Equal(t, row.want, got)
			}
		})
	}
}

func TestAMemoryLogHandsOutBodiesOnlyWhenAsked(t *testing.T) {
	log := apikey.NewMemoryLog(10)
	e := entryAt(1)
	e.Request = apikey.LogBody{Text: "asked", Type: "text/plain", Truncated: true}
	e.Response = apikey.LogBody{Type: "image/png", Omitted: "not a text"}
	require.NoError(t, log.WriteLog(t.Context(), []apikey.LogEntry{e}))
	with, _, err := log.ReadLog(t.Context(), apikey.LogQuery{Limit: 1, Bodies: true})
	require.NoError(t, err)
	require.Equal(t, []apikey.LogEntry{e}, with)
	without, _, err := log.ReadLog(t.Context(), apikey.LogQuery{Limit: 1})
	require.NoError(t, err)
	e.Request.Text = ""
	require.Equal(t, []apikey.LogEntry{e}, without, "that there was one, and of what type, is said all the same")
}

// What is written and what is read are copies.
func TestAMemoryLogSharesNothing(t *testing.T) {
	log := apikey.NewMemoryLog(10)
	batch := entriesAt(1, 3)
	require.NoError(t, log.WriteLog(t.Context(), batch))
	batch[0].Path = "/changed"
	page, _, err := log.ReadLog(t.Context(), apikey.LogQuery{Limit: 10})
	require.NoError(t, err)
	page[1].Path = "/changed"
	require.Equal(t, pathsDown(3, 1), readAll(t, log, apikey.LogQuery{Limit: 10}))
}

func TestAMemoryLogRefusesWhatItCannotRead(t *testing.T) {
	log := apikey.NewMemoryLog(10)
	require.NoError(t, log.WriteLog(t.Context(), entriesAt(1, 10)))
	for _, cursor := range []string{"x", strings.Repeat("!", 26), "33LF2MTRPLS6SNF13829V8OMM8", strings.Repeat("0", 27)} {
		_, _, err := log.ReadLog(t.Context(), apikey.LogQuery{Limit: 1, Cursor: cursor})
		requireFieldError(t, err, "cursor")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := log.ReadLog(gone, apikey.LogQuery{Limit: 1})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, log.WriteLog(gone, entriesAt(11, 11)), context.Canceled)
	require.Len(t, readAll(t, log, apikey.LogQuery{Limit: 100}), 10)
	page, _, err := log.ReadLog(t.Context(), apikey.LogQuery{})
	require.NoError(t, err)
	require.Len(t, page, 1, "a limit is at least 1")
}

func TestAMemoryLogMayBeReadWhileItIsWritten(t *testing.T) {
	log := apikey.NewMemoryLog(200)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 50 {
				assert.NoError(t, log.WriteLog(t.Context(), entriesAt(i*1000+j*10, i*1000+j*10+9)))
			}
		})
		all.Go(func() {
			for range 50 {
				page, _, err := log.ReadLog(t.Context(), apikey.LogQuery{Limit: 100})
				if err != nil {
					t.Error(err)
				}
				assert.True(t, slices.IsSortedFunc(page, func(a, b apikey.LogEntry) int { return strings.Compare(b.ID, a.ID) }))
			}
		})
	}
	all.Wait()
	require.Len(t, readAll(t, log, apikey.LogQuery{Limit: 1000}), 200)
}
