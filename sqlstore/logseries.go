package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"sync"

	"github.com/seed-be062aaa/apikey"
)

// A logSeries is what entries have in common. A server has as many as its
// routes, methods, statuses and reasons give.
type logSeries struct {
	outcome, reason string
	status          int
	method          string
	// route's literal beginning is one of the entries' paths too.
	route, permission string
	action            string
}

// maxSeries is how many series may have routes and permissions. More can only
// come of a host that makes them up while it runs; the rows then have them.
const maxSeries = 10_000

// seriesMethods are those that series have. Clients can send others without end.
var seriesMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}

// A logRest is what an entry's row has because its series does not.
type logRest struct{ method, route, permission string }

// split divides what a series may have of an entry from the rest.
func split(e *apikey.LogEntry) (s logSeries, rest logRest) {
	s = logSeries{
		outcome: storable(string(e.Outcome)), reason: storable(e.Reason), status: e.Status,
		method: storable(e.Method), route: storable(e.Route), permission: storable(e.Permission),
		action: storable(string(e.Action)),
	}
	if !slices.Contains(seriesMethods, s.method) {
		s.method, rest.method = "", s.method
	}
	// A router below one that strips a prefix sees other paths than its patterns
	// have. A search by path must not pass over these.
	if !strings.HasPrefix(e.Path, literal(s.route)) {
		s.route, rest.route = "", s.route
	}
	return s, rest
}

// literal returns how each path begins that a pattern of chi or net/http
// matches.
func literal(route string) string {
	if _, pattern, found := strings.Cut(route, " "); found { // a method
		route = strings.TrimLeft(pattern, " \t")
	}
	slash := max(0, strings.IndexByte(route, '/')) // behind a host
	route = route[slash:]
	if wild := strings.IndexAny(route, "{*"); wild >= 0 {
		route = route[:wild]
	}
	return route
}

// mayHold reports whether entries that q selects may be of the series.
func (s *logSeries) mayHold(q *apikey.LogQuery) bool {
	beginning := literal(s.route)
	return (q.Outcome == "" || s.outcome == string(q.Outcome)) &&
		(q.Status == 0 || s.status == q.Status) &&
		(q.Method == "" || s.method == q.Method || s.method == "" && !slices.Contains(seriesMethods, q.Method)) &&
		(strings.HasPrefix(beginning, q.Path) || strings.HasPrefix(q.Path, beginning))
}

// A seriesTable is what is known of the database's table of series. Its IDs are
// given in their order, each when all before it are committed, so that what is
// not known yet is behind what is.
type seriesTable struct {
	mu   sync.RWMutex
	byID map[int64]logSeries
	ids  map[logSeries]int64
	last int64
}

func (t *seriesTable) id(s logSeries) (id int64, known bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	id, known = t.ids[s]
	return id, known
}

func (t *seriesTable) byItsID(id int64) (s logSeries, known bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s, known = t.byID[id]
	return s, known
}

func (t *seriesTable) lastID() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.last
}

// add may be told of a series more than once. One that does not follow on what is
// known is loaded later.
func (t *seriesTable) add(list ...storedSeries) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addLocked(list)
}

// replace forgets what is known.
func (t *seriesTable) replace(list []storedSeries) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ids, t.byID, t.last = nil, nil, 0
	t.addLocked(list)
}

func (t *seriesTable) addLocked(list []storedSeries) {
	if t.ids == nil {
		t.ids, t.byID = map[logSeries]int64{}, map[int64]logSeries{}
	}
	for _, s := range list {
		if s.id <= t.last+1 {
			t.ids[s.logSeries], t.byID[s.id] = s.id, s.logSeries
			t.last = max(t.last, s.id)
		}
	}
}

// holding returns the series that may hold what q selects, in order, and whether
// these are all.
func (t *seriesTable) holding(q *apikey.LogQuery) (ids []int64, all bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for id, s := range t.byID {
		if s.mayHold(q) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, len(ids) == len(t.byID)
}

// A storedSeries is a row of the database's table.
type storedSeries struct {
	id int64
	logSeries
}

// loadSeries reads the series that other processes have added.
//
// The first one that it reads is the last one known. If not, the database has
// another history, since a replica took over that had not heard of everything, or
// a backup was restored: the same IDs may mean other series there.
func (l *Log) loadSeries(ctx context.Context, db querier) error {
	last := l.series.lastID()
	found, err := l.readSeries(ctx, db, last)
	if err != nil {
		return err
	}
	known, _ := l.series.byItsID(last)
	if last == 0 || len(found) > 0 && found[0] == (storedSeries{last, known}) {
		l.series.add(found...)
		return nil
	}
	if found, err = l.readSeries(ctx, db, 0); err != nil {
		return err
	}
	l.series.replace(found)
	return nil
}

// readSeries returns the series from an ID on.
func (l *Log) readSeries(ctx context.Context, db querier, from int64) (found []storedSeries, err error) {
	rows, err := db.QueryContext(ctx, l.text.series, from)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s storedSeries
		if err := rows.Scan(
			&s.id, &s.outcome, &s.reason, &s.status, &s.method, &s.route, &s.permission, &s.action,
		); err != nil {
			return nil, err
		}
		found = append(found, s)
	}
	return found, rows.Err()
}

// fillSeries adds to each row what its series has, which another process may have
// added since the series were loaded.
func (l *Log) fillSeries(ctx context.Context, db querier, rows []logRow) error {
	loaded := false
	for i := range rows {
		s, known := l.series.byItsID(rows[i].series)
		if !known && !loaded {
			loaded = true
			if err := l.loadSeries(ctx, db); err != nil {
				return err
			}
			s, _ = l.series.byItsID(rows[i].series)
		}
		rows[i].fill(&s)
	}
	return nil
}

// seriesFor returns the ID of an entry's series, and what the row has to keep.
func (l *Log) seriesFor(ctx context.Context, e *apikey.LogEntry) (int64, logRest, error) {
	s, rest := split(e)
	id, known := l.series.id(s)
	if known {
		return id, rest, nil
	}
	if l.series.lastID() >= maxSeries {
		rest.permission, s.permission = s.permission, ""
		if s.route != "" {
			rest.route, s.route = s.route, ""
		}
	}
	id, err := l.addSeries(ctx, s)
	return id, rest, err
}

// addSeries returns the ID of a series, having added it where it is new.
//
// It is added by itself, and not in the transaction of the entries: others, who
// wait to add the same one, need not wait for these.
func (l *Log) addSeries(ctx context.Context, s logSeries) (int64, error) {
	for range maxSeriesTries {
		if err := l.loadSeries(ctx, l.db); err != nil {
			return 0, err
		}
		if id, known := l.series.id(s); known {
			return id, nil
		}
		id := l.series.lastID() + 1
		err := l.dialect.inTx(ctx, l.db, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, l.text.insertSeries,
				id, s.outcome, s.reason, s.status, s.method, s.route, s.permission, s.action)
			return err
		})
		if err == nil {
			l.series.add(storedSeries{id, s})
			return id, nil
		}
		if !l.dialect.IsUnique(err) {
			return 0, err
		}
	}
	return 0, errOvertaken
}

// maxSeriesTries allows for as many others that add series of their own at once.
const maxSeriesTries = 1000
