package apikeytest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-be062aaa/apikey"
)

const (
	saysLogWrite = "WriteLog keeps all of entries. Where it returns an error, some may be missing."
	saysLogOnce  = "After an error it is called again with the same ones, and keeps each ID once."
	saysLogAlone = "It neither changes entries nor uses the slice after it has returned."
	saysLogRead  = "ReadLog returns what q selects, the newest first, and where the next page begins: empty at the end."
	saysLogQuery = "Zero fields select all; an entry must meet each of the others."
	saysLogPath  = "Path is a prefix of the entry's path, byte for byte."
	saysLogTime  = "From is the first moment, and To the first one after."
	saysLogPages = "Cursor is where a page before said that this one begins. Any other is a FieldError."
	saysLogLimit = "Limit is the most entries to return. Stores get at least 1."
	saysLogTexts = "Bodies asks for the texts of bodies, which are left out otherwise."
)

var logRules = []rule[apikey.LogStore]{
	{"Log keeps every field", saysLogWrite, logKeepsFields},
	{"Log keeps long texts and large batches", saysLogWrite, logKeepsMuch},
	{"Log keeps each ID once", saysLogOnce, logKeepsOnce},
	{"Log leaves entries alone", saysLogAlone, logLeavesAlone},
	{"Log is read newest first", saysLogRead, logIsSorted},
	{"Log of nothing is empty", saysLogRead, logOfNothing},
	{"Log selects by ID", saysLogQuery, logSelectsID},
	{"Log selects by key", saysLogQuery, logSelectsKey},
	{"Log selects by outcome", saysLogQuery, logSelectsOutcome},
	{"Log selects by status", saysLogQuery, logSelectsStatus},
	{"Log selects by method", saysLogQuery, logSelectsMethod},
	{"Log selects by path", saysLogPath, logSelectsPath},
	{"Log takes nothing in a path for a wildcard", saysLogPath, logTakesPathsLiterally},
	{"Log selects by time", saysLogTime, logSelectsTime},
	{"Log selects by all fields at once", saysLogQuery, logSelectsAll},
	{"Log turns pages while entries come", saysLogPages, logTurnsPages},
	{"Log turns pages of a selection", saysLogPages, logTurnsPagesOfSelection},
	{"Log refuses cursors that no page has named", saysLogPages, logRefusesCursors},
	{"Log heeds the limit", saysLogLimit, logHeedsLimit},
	{"Log leaves the texts of bodies out", saysLogTexts, logLeavesBodiesOut},
	{"Log is written and read at once", saysLogRead, logIsConcurrent},
}

// logVariety returns entries that differ in what can be selected, some of them
// close together and some far apart.
func logVariety() []apikey.LogEntry {
	paths := []string{
		"/", "/api/jobs/1", "/api/jobs/12", "/api/JOBS/1", "/api/servers", "/api/servers/größe/2", "/Api",
		"/api%2Fjobs", "/api_jobs/1",
	}
	routes := []string{
		"", "/api/jobs/{id}", "GET /api/jobs/{id}", "/api/{rest...}", "/api/servers", "/api/servers/*",
		"/servers", "/*", "/api",
	}
	outcomes, methods := apikey.Outcomes(), []string{"GET", "POST", "PURGE", "get", "", "DELETE"}
	var entries []apikey.LogEntry
	at := epoch
	for n := range 240 {
		at = at.Add([]time.Duration{time.Microsecond, time.Millisecond, time.Second, time.Hour}[n/7%4])
		e := logEntryAt(at, n)
		e.KeyID = []string{"key1", "key2", "", "key1"}[n/3%4]
		e.Outcome, e.Status = outcomes[n%len(outcomes)], []int{200, 403, 404, 0}[n/2%4]
		e.Method, e.Path, e.Route = methods[n%len(methods)], paths[n%len(paths)], routes[n/2%len(routes)]
		entries = append(entries, e)
	}
	entries[50].KeyID, entries[60].Status, entries[70].Path = "rare key", 418, "/rare/path"
	return entries
}

// logSelects checks queries on the variety against what each must select.
func logSelects(ctx context.Context, log apikey.LogStore, queries ...apikey.LogQuery) error {
	entries := logVariety()
	if err := writeLog(ctx, log, 20, entries...); err != nil {
		return err
	}
	for _, q := range queries {
		want := slices.DeleteFunc(slices.Clone(entries), func(e apikey.LogEntry) bool { return !selected(q, e) })
		for _, limit := range []int{1000, 70} { // one page, and some
			q.Limit = limit
			if err := selects(ctx, log, q, want); err != nil {
				return err
			}
		}
	}
	return nil
}

// selected is what the contract says of each field of a query.
func selected(q apikey.LogQuery, e apikey.LogEntry) bool {
	return (q.ID == "" || q.ID == e.ID) &&
		(q.KeyID == "" || q.KeyID == e.KeyID) &&
		(q.Outcome == "" || q.Outcome == e.Outcome) &&
		(q.Status == 0 || q.Status == e.Status) &&
		(q.Method == "" || q.Method == e.Method) &&
		strings.HasPrefix(e.Path, q.Path) &&
		(q.From.IsZero() || !e.Time.Before(q.From)) &&
		(q.To.IsZero() || e.Time.Before(q.To))
}

func logKeepsFields(ctx context.Context, log apikey.LogStore) error {
	var entries []apikey.LogEntry
	add := func(change func(e *apikey.LogEntry)) {
		e := fullLogEntry(len(entries))
		change(&e)
		entries = append(entries, e)
	}
	add(func(*apikey.LogEntry) {})
	add(func(e *apikey.LogEntry) { *e = apikey.LogEntry{ID: e.ID, Time: e.Time} })
	add(func(e *apikey.LogEntry) { *e = logEntry(2) })
	add(func(e *apikey.LogEntry) { e.RequestBytes, e.ResponseBytes, e.Duration = -1, 0, 90*time.Minute })
	add(func(e *apikey.LogEntry) { e.Request, e.Response = apikey.LogBody{Type: "text/plain"}, apikey.LogBody{} })
	add(func(e *apikey.LogEntry) {
		e.Request, e.Response = apikey.LogBody{}, apikey.LogBody{Omitted: "not a text"}
	})
	add(func(e *apikey.LogEntry) {
		e.Request, e.Response = apikey.LogBody{Truncated: true}, apikey.LogBody{Text: " "}
	})
	add(func(e *apikey.LogEntry) { e.Method, e.Route, e.Status = "PROPFIND", "/elsewhere/{id}", 599 })
	add(func(e *apikey.LogEntry) { e.Method, e.Route, e.Permission = "", "", "any key" })
	add(func(e *apikey.LogEntry) {
		e.Path, e.Query, e.Client = "/größe/日本/🔑/\\x1b", "a=%00&b='--\"&c=\\", "2001:db8::1"
	})
	for _, outcome := range apikey.Outcomes() {
		add(func(e *apikey.LogEntry) { e.Outcome = outcome })
	}
	if err := writeLog(ctx, log, 4, entries...); err != nil {
		return err
	}
	return selects(ctx, log, apikey.LogQuery{Limit: 100, Bodies: true}, entries)
}

func logKeepsMuch(ctx context.Context, log apikey.LogStore) error {
	const n = 5000
	entries := make([]apikey.LogEntry, n)
	for i := range entries {
		entries[i] = logEntry(i)
	}
	for _, i := range []int{0, 1, 2500, n - 1} {
		entries[i].Request = apikey.LogBody{Text: strings.Repeat("größer ", 1<<16), Type: "text/plain"}
		entries[i].Path = "/" + strings.Repeat("long/", 800)
		entries[i].Query = strings.Repeat("a=1&", 2000)
	}
	if err := writeLog(ctx, log, n, entries...); err != nil {
		return err
	}
	if err := log.WriteLog(ctx, nil); err != nil {
		return fmt.Errorf("WriteLog of no entries: %w", err)
	}
	return selects(ctx, log, apikey.LogQuery{Limit: 700, Bodies: true}, entries)
}

func logKeepsOnce(ctx context.Context, log apikey.LogStore) error {
	var entries []apikey.LogEntry
	for n := range 60 {
		e := fullLogEntry(n)
		if n%2 == 0 {
			e.Request, e.Response = apikey.LogBody{}, apikey.LogBody{}
		}
		entries = append(entries, e)
	}
	for _, batch := range [][]apikey.LogEntry{
		entries[:20],
		entries[:20],                           // it was an error only to whom it was told
		entries[10:30],                         // a part of it was kept
		{entries[30], entries[5], entries[40]}, // among others
		// Within one batch.
		slices.Concat(entries[29:], entries[50:55]),
		// Over and over.
		{entries[0]},
		{entries[59]},
		entries, entries,
	} {
		if err := writeLog(ctx, log, len(batch), batch...); err != nil {
			return err
		}
	}
	q := apikey.LogQuery{Limit: 100, Bodies: true}
	if err := selects(ctx, log, q, entries); err != nil {
		return err
	}
	q.KeyID, q.Outcome = "key1", apikey.OutcomeDenied
	return selects(ctx, log, q, entries)
}

func logLeavesAlone(ctx context.Context, log apikey.LogStore) error {
	const n = 30
	entries, want := make([]apikey.LogEntry, n), make([]apikey.LogEntry, n)
	for i := range n {
		entries[n-1-i] = fullLogEntry(i) // in an order that somebody may want to change
		want[i] = fullLogEntry(i)
	}
	if err := writeLog(ctx, log, n, entries...); err != nil {
		return err
	}
	for i := range n {
		if err := sameLogEntry(&entries[n-1-i], &want[i]); err != nil {
			return fmt.Errorf("WriteLog has changed an entry: %w", err)
		}
	}
	clear(entries)
	return selects(ctx, log, apikey.LogQuery{Limit: n, Bodies: true}, want)
}

func logIsSorted(ctx context.Context, log apikey.LogStore) error {
	entries := logVariety()
	shuffled := slices.Clone(entries)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) {
		shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
	})
	if err := writeLog(ctx, log, 17, shuffled...); err != nil {
		return err
	}
	// Of one moment, and so told apart by the rest of their IDs.
	last := entries[len(entries)-1].Time.Add(time.Hour)
	same := []apikey.LogEntry{logEntryAt(last, 1), logEntryAt(last, 2), logEntryAt(last, 3)}
	if err := writeLog(ctx, log, 3, same[2], same[0], same[1]); err != nil {
		return err
	}
	return selects(ctx, log, apikey.LogQuery{Limit: 1000}, append(entries, same...))
}

func logOfNothing(ctx context.Context, log apikey.LogStore) error {
	for _, q := range []apikey.LogQuery{
		{},
		{ID: logEntry(1).ID},
		{KeyID: "key1"},
		{Outcome: apikey.OutcomeDenied},
		{Status: 404},
		{Method: "GET"},
		{Path: "/"},
		{From: epoch},
		{To: epoch},
		{Cursor: logEntry(1).ID},
		{Bodies: true},
	} {
		q.Limit = 10
		if err := selects(ctx, log, q, nil); err != nil {
			return err
		}
	}
	return nil
}

func logSelectsID(ctx context.Context, log apikey.LogStore) error {
	entries := logVariety()
	at := entries[100]
	return logSelects(
		ctx, log,
		apikey.LogQuery{ID: entries[0].ID},
		apikey.LogQuery{ID: at.ID},
		apikey.LogQuery{ID: entries[len(entries)-1].ID},
		apikey.LogQuery{ID: logEntryAt(at.Time, 101).ID},
		apikey.LogQuery{ID: "nobody's"},
		apikey.LogQuery{ID: strings.ToUpper(at.ID)},
		apikey.LogQuery{
			ID: at.ID, KeyID: at.KeyID, Outcome: at.Outcome, Status: at.Status, Method: at.Method, Path: at.Path, From: at.Time,
		},
		apikey.LogQuery{ID: at.ID, To: at.Time},
		apikey.LogQuery{ID: at.ID, From: at.Time.Add(time.Microsecond)},
		apikey.LogQuery{ID: at.ID, KeyID: "nobody"},
	)
}

func logSelectsKey(ctx context.Context, log apikey.LogStore) error {
	return logSelects(
		ctx, log,
		apikey.LogQuery{KeyID: "key1"}, apikey.LogQuery{KeyID: "key2"}, apikey.LogQuery{KeyID: "rare key"},
		apikey.LogQuery{KeyID: "key"}, apikey.LogQuery{KeyID: "KEY1"}, apikey.LogQuery{KeyID: "key1 "},
		apikey.LogQuery{KeyID: "%"},
		apikey.LogQuery{KeyID: "key_"}, apikey.LogQuery{KeyID: "' OR '1'='1"}, apikey.LogQuery{KeyID: "key1\x00"},
		apikey.LogQuery{KeyID: "key1\xff"},
	)
}

func logSelectsOutcome(ctx context.Context, log apikey.LogStore) error {
	queries := []apikey.LogQuery{
		{Outcome: "unknown"}, {Outcome: "ALLOWED"}, {Outcome: "allow"}, {Outcome: "allowed\x00\xff"},
	}
	for _, outcome := range apikey.Outcomes() {
		queries = append(queries, apikey.LogQuery{Outcome: outcome})
	}
	return logSelects(ctx, log, queries...)
}

func logSelectsStatus(ctx context.Context, log apikey.LogStore) error {
	return logSelects(
		ctx, log,
		apikey.LogQuery{Status: 200}, apikey.LogQuery{Status: 403}, apikey.LogQuery{Status: 404},
		apikey.LogQuery{Status: 418}, apikey.LogQuery{Status: 20}, apikey.LogQuery{Status: -1},
		apikey.LogQuery{Status: 1 << 30},
	)
}

func logSelectsMethod(ctx context.Context, log apikey.LogStore) error {
	return logSelects(
		ctx, log,
		apikey.LogQuery{Method: "GET"}, apikey.LogQuery{Method: "get"}, apikey.LogQuery{Method: "POST"},
		apikey.LogQuery{Method: "PUT"}, apikey.LogQuery{Method: "PURGE"}, apikey.LogQuery{Method: "PURGED"},
		apikey.LogQuery{Method: "%"},
		apikey.LogQuery{Method: "GET\x00"}, apikey.LogQuery{Method: "\xff"},
	)
}

func logSelectsPath(ctx context.Context, log apikey.LogStore) error {
	var queries []apikey.LogQuery
	for _, path := range []string{
		"/", "/a", "/api", "/api/", "/api/jobs", "/api/jobs/", "/api/jobs/1", "/api/jobs/12", "/api/jobs/123", "/api/JOBS",
		"/api/servers", "/api/servers/", "/api/servers/größe/2", "/servers", "/rare/path", "/rare/path/", "api", "/zzz",
	} {
		queries = append(queries, apikey.LogQuery{Path: path})
	}
	return logSelects(ctx, log, queries...)
}

func logTakesPathsLiterally(ctx context.Context, log apikey.LogStore) error {
	var queries []apikey.LogQuery
	for _, path := range []string{
		"%", "/%", "/api%", "/api%2F", "/api_", "/api_jobs", "/api_j%", "/a_i", "/*", "/[a]pi", "/api/?", "/api/jobs/{id}",
		"/API", "/api\\", "'", "/api\x00", "\xff", "/api/servers/gr\xc3", "/api/servers/gro\u0308ße", "/api/servers/gr\ufffd",
		"/api/ ",
	} {
		queries = append(queries, apikey.LogQuery{Path: path})
	}
	return logSelects(ctx, log, queries...)
}

func logSelectsTime(ctx context.Context, log apikey.LogStore) error {
	entries := logVariety()
	first, some, last := entries[0].Time, entries[120].Time, entries[len(entries)-1].Time
	step := time.Microsecond
	return logSelects(
		ctx, log,
		apikey.LogQuery{From: first}, apikey.LogQuery{To: first}, apikey.LogQuery{From: last}, apikey.LogQuery{To: last},
		apikey.LogQuery{From: some}, apikey.LogQuery{To: some}, apikey.LogQuery{From: some.Add(step)},
		apikey.LogQuery{To: some.Add(step)},
		apikey.LogQuery{From: some.Add(-step)}, apikey.LogQuery{To: some.Add(-step)}, apikey.LogQuery{To: last.Add(step)},
		apikey.LogQuery{From: last.Add(step)}, apikey.LogQuery{From: some, To: some},
		apikey.LogQuery{From: some, To: some.Add(step)},
		apikey.LogQuery{From: last, To: first}, apikey.LogQuery{From: first, To: last},
		apikey.LogQuery{From: some.In(time.FixedZone("", 5400))}, apikey.LogQuery{From: some.Add(time.Nanosecond)},
		apikey.LogQuery{From: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)},
		apikey.LogQuery{To: time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)},
		apikey.LogQuery{To: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
		apikey.LogQuery{From: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
	)
}

func logSelectsAll(ctx context.Context, log apikey.LogStore) error {
	var queries []apikey.LogQuery
	entries := logVariety()
	for i := range 64 {
		like := entries[i*37%len(entries)]
		var q apikey.LogQuery
		if i&1 != 0 {
			q.KeyID = like.KeyID
		}
		if i&2 != 0 {
			q.Outcome = like.Outcome
		}
		if i&4 != 0 {
			q.Status = like.Status
		}
		if i&8 != 0 {
			q.Method = like.Method
		}
		if i&16 != 0 {
			q.Path = like.Path[:1+len(like.Path)/2]
		}
		if i&32 != 0 {
			q.From, q.To = like.Time.Add(-3*time.Hour), like.Time.Add(3*time.Hour)
		}
		queries = append(queries, q)
	}
	return logSelects(ctx, log, queries...)
}

// logTurnsPages goes through all pages, and writes new entries after each. Of
// these it must see none, and of those that were there each once.
func logTurnsPages(ctx context.Context, log apikey.LogStore) error {
	const n = 100
	var entries []apikey.LogEntry
	for i := range n {
		entries = append(entries, logEntryAt(epoch.Add(time.Duration(i/10)*time.Second), i)) // ten at a time
	}
	if err := writeLog(ctx, log, n, entries...); err != nil {
		return err
	}
	var got []string
	q := apikey.LogQuery{Limit: 7}
	for pages := 0; pages == 0 || q.Cursor != ""; pages++ {
		page, next, err := readPage(ctx, log, q)
		if err != nil {
			return err
		}
		for _, e := range page {
			got = append(got, e.ID)
		}
		if pages == maxPages {
			return fmt.Errorf("ReadLog has a next page after %d pages", maxPages)
		}
		q.Cursor = next
		if err := writeLog(ctx, log, 10, logEntry(1_000_000+pages)); err != nil {
			return err
		}
	}
	for i := range got {
		if i >= n || got[i] != entries[n-1-i].ID {
			return fmt.Errorf("the entries of all pages are not each of those that were there, once: the %dth is %s", i, got[i])
		}
	}
	if len(got) != n {
		return fmt.Errorf("all pages have %d entries, want %d", len(got), n)
	}
	return nil
}

func logTurnsPagesOfSelection(ctx context.Context, log apikey.LogStore) error {
	var entries, rare []apikey.LogEntry
	for i := range 500 {
		e := logEntryAt(epoch.Add(time.Duration(i)*400*time.Millisecond), i)
		if i%50 == 3 {
			e.KeyID, e.Status, e.Path = "key2", 404, "/api/jobs/rare"
			rare = append(rare, e)
		}
		entries = append(entries, e)
	}
	if err := writeLog(ctx, log, 100, entries...); err != nil {
		return err
	}
	for _, q := range []apikey.LogQuery{
		{KeyID: "key2"}, {Status: 404}, {Path: "/api/jobs/r"}, {KeyID: "key2", Status: 404, Path: "/api/jobs/rare", Method: "GET"},
	} {
		for _, limit := range []int{1, 3, len(rare), len(rare) + 1} {
			q.Limit = limit
			if err := selects(ctx, log, q, rare); err != nil {
				return err
			}
		}
	}
	return nil
}

func logRefusesCursors(ctx context.Context, log apikey.LogStore) error {
	if err := writeLog(ctx, log, 10, logEntry(1), logEntry(2)); err != nil {
		return err
	}
	for _, cursor := range []string{
		"garbage", "0", " ", "\x00", "' OR '1'='1", "../../etc/passwd", strings.Repeat("z", 26), strings.Repeat("x", 1<<16),
		"apik_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop",
	} {
		page, _, err := log.ReadLog(ctx, apikey.LogQuery{Cursor: cursor, Limit: 10})
		if err == nil {
			return fmt.Errorf("ReadLog with the cursor %.60q returned %d entries and no error", cursor, len(page))
		}
		if field := (*apikey.FieldError)(nil); !errors.As(err, &field) || field.Field != "cursor" {
			return fmt.Errorf("ReadLog with the cursor %.60q returned an error that is no FieldError for it: %T", cursor, err)
		}
		if len(cursor) > 3 && strings.Contains(err.Error(), cursor) {
			return fmt.Errorf("the error quotes the cursor, which may be a key in the wrong place: %.100q", err.Error())
		}
		for _, sentinel := range sentinels {
			if errors.Is(err, sentinel) {
				return fmt.Errorf("ReadLog with the cursor %.60q returned an error that wraps %q", cursor, sentinel)
			}
		}
	}
	return nil
}

func logHeedsLimit(ctx context.Context, log apikey.LogStore) error {
	entries := logVariety()
	if err := writeLog(ctx, log, 1000, entries...); err != nil {
		return err
	}
	for _, limit := range []int{1, 2, 50, 239, 240, 241, 100_000} {
		for _, q := range []apikey.LogQuery{{Limit: limit}, {Limit: limit, From: epoch}} {
			page, _, err := readPage(ctx, log, q)
			if err != nil {
				return err
			}
			if want := min(limit, len(entries)); len(page) != want {
				return fmt.Errorf("ReadLog of %s returned %d entries, want %d", queryText(q), len(page), want)
			}
		}
	}
	return nil
}

func logLeavesBodiesOut(ctx context.Context, log apikey.LogStore) error {
	entries := []apikey.LogEntry{fullLogEntry(0), logEntry(1), fullLogEntry(2)}
	return errors.Join(
		writeLog(ctx, log, 10, entries...),
		selects(ctx, log, apikey.LogQuery{Limit: 10}, entries),
		selects(ctx, log, apikey.LogQuery{Limit: 10, Bodies: true}, entries),
		selects(ctx, log, apikey.LogQuery{Limit: 10, ID: entries[0].ID}, entries[:1]),
		selects(ctx, log, apikey.LogQuery{Limit: 10, ID: entries[0].ID, Bodies: true}, entries[:1]),
	)
}

// logIsConcurrent has writers that each write batches of their own, and readers
// that see what is there by then.
func logIsConcurrent(ctx context.Context, log apikey.LogStore) error {
	const writers, batches, batch = 4, 10, 25
	done := make(chan struct{})
	var reading sync.WaitGroup
	errs := make([]error, writers)
	for r := range errs {
		reading.Go(func() {
			for errs[r] == nil {
				select {
				case <-done:
					return
				default:
					errs[r] = logIsSound(ctx, log, fmt.Sprint("writer", r))
				}
			}
		})
	}
	err := together(writers, func(w int) error {
		for b := range batches {
			entries := make([]apikey.LogEntry, batch)
			for i := range entries {
				entries[i] = logEntry((b*writers+w)*batch + i)
				entries[i].KeyID = fmt.Sprint("writer", w)
			}
			if err := writeLog(ctx, log, batch, entries...); err != nil {
				return err
			}
		}
		return nil
	})
	close(done)
	reading.Wait()
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	got, err := readPages(ctx, log, apikey.LogQuery{Limit: 64})
	if err == nil && len(got) != writers*batches*batch {
		err = fmt.Errorf("the log has %d entries, want %d", len(got), writers*batches*batch)
	}
	return err
}

// logIsSound checks a page of a writer's entries.
func logIsSound(ctx context.Context, log apikey.LogStore, keyID string) error {
	page, _, err := readPage(ctx, log, apikey.LogQuery{KeyID: keyID, Limit: 100})
	for i := range page {
		if page[i].KeyID != keyID || i > 0 && page[i].ID >= page[i-1].ID {
			return fmt.Errorf("entry %d of a page for the key %q is %s of the key %q, behind %s",
				i, keyID, page[i].ID, page[i].KeyID, page[max(0, i-1)].ID)
		}
	}
	return err
}
