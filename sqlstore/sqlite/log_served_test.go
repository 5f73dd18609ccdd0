package sqlite

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

// served returns an Authority that logs into that log, a handler that it guards, and
// a way to ask it.
func served(ctx context.Context, log *Log, required bool) (auth *apikey.Authority, ask func(path string) int, err error) {
	auth, err = apikey.New(ctx, apikey.NewMemoryStore(), &apikey.Options{
		Logger: slog.New(slog.DiscardHandler), Log: apikey.LogOptions{Sink: log, Required: required},
	})
	if err != nil {
		return nil, nil, err
	}
	if _, err = auth.IssueCustom(ctx, apikey.KeySpec{Logging: apikey.LogBoth}, "a key of this test"); err != nil {
		return nil, nil, err
	}
	guarded := auth.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.URL.Path))
	}))
	return auth, func(path string) int {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("X-ApiKey", "a key of this test")
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, r)
		return w.Code
	}, nil
}

// However the log's database fails, requests are served on or, where the log is
// required, refused; and once it works it is written again without anybody's help.
func TestRequestsOutliveTheirLog(t *testing.T) {
	faults := map[string]func(t *testing.T, log *Log, path string) (end func()){
		"locked by another process": func(t *testing.T, _ *Log, path string) func() {
			t.Helper()
			p := sqltest.Start(t, "lock", path, "")
			require.Equal(t, "locked", p.Line(t))
			return p.Release
		},
		"full": func(t *testing.T, log *Log, _ string) func() {
			t.Helper()
			limit := func(pages int) {
				_, err := log.writes.ExecContext(t.Context(), fmt.Sprint("PRAGMA max_page_count = ", pages))
				require.NoError(t, err)
			}
			limit(1) // which SQLite takes for the present size
			return func() { limit(1 << 30) }
		},
	}
	for name, fault := range faults {
		for _, required := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, required %t", name, required), func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "log.db")
				log := openLogFile(t, path, nil)
				auth, ask, err := served(t.Context(), log, required)
				require.NoError(t, err)
				written := func() bool { s := auth.LogStats(); return s.Waiting == 0 && !s.Failing }
				require.Eventually(t, written, 10*time.Second, time.Millisecond)
				end := fault(t, log, path)
				codes := map[int]int{}
				for i := range 1000 {
					codes[ask(fmt.Sprintf("/%d/%s", i, strings.Repeat("x", 500)))]++
				}
				if required {
					require.Eventually(t, func() bool {
						code := ask("/refused")
						codes[code]++
						return code == 503
					}, 10*time.Second, 10*time.Millisecond)
				} else {
					require.Equal(t, map[int]int{200: 1000}, codes)
				}
				end()
				ended := time.Now()
				require.Eventually(t, written, 20*time.Second, 10*time.Millisecond)
				t.Logf("written again after %v; %v", time.Since(ended), codes)
				assert.Equal(t, 200, ask("/after"))
				require.NoError(t, auth.Shutdown(t.Context()))
				s := auth.LogStats()
				assert.Equal(t, s.Accepted, s.Stored+s.Dropped)
				assert.Zero(t, s.Dropped, "there was room for all")
				assert.Len(t, sqltest.ReadAll(t, log, apikey.LogQuery{Outcome: apikey.OutcomeAllowed}), codes[200]+1)
				assert.Len(t, sqltest.ReadAll(t, log, apikey.LogQuery{Outcome: apikey.OutcomeError, Status: 503}), codes[503])
				database.RequireConsistent(t, log.writes)
			})
		}
	}
}

// servedRole serves requests until it is killed, as many as the log can take, and
// says how many of them are stored.
func servedRole(ctx context.Context, path, _ string) error {
	log, err := OpenLog(ctx, path, nil)
	if err != nil {
		return err
	}
	auth, ask, err := served(ctx, log, false)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		if code := ask(fmt.Sprint("/", i)); code != http.StatusOK {
			return fmt.Errorf("request %d: %d", i, code)
		}
		if i%100 == 0 {
			s := auth.LogStats()
			fmt.Println(s.Stored)
			for s.Waiting > 8000 { // more would be dropped, and leave holes that say nothing
				time.Sleep(time.Millisecond)
				s = auth.LogStats()
			}
		}
	}
}

// A process that is killed under load loses the entries of its last moments, and no
// other.
func TestKilledServerLosesItsLastEntries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	p := sqltest.Start(t, "served", path, "")
	stored := 0
	count := func(line string) {
		var err error
		stored, err = strconv.Atoi(line)
		require.NoError(t, err, line)
	}
	for stored <= 5000 {
		count(p.Line(t))
	}
	for _, line := range p.LinesUntilKilled(t, 0) {
		count(line)
	}
	ended := time.Now()

	log := openLogFile(t, path, &sqltest.KeepAll)
	requireSound(t, log.writes)
	database.RequireConsistent(t, log.writes)
	entries := sqltest.ReadAll(t, log, apikey.LogQuery{Outcome: apikey.OutcomeAllowed, Bodies: true})
	require.GreaterOrEqual(t, len(entries)+1, stored, "what was acknowledged, which the key's own entry was too")
	for i, e := range entries {
		path := fmt.Sprint("/", len(entries)-1-i)
		require.Equal(t, path, e.Path, "there is no hole")
		require.Equal(t, path, e.Response.Text)
	}
	t.Logf("%d entries, the last one from %v before the end", len(entries), ended.Sub(entries[0].Time))
	assert.Less(t, ended.Sub(entries[0].Time), 5*time.Second)
}
