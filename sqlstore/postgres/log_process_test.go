package postgres

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

const roleBatch = 50

// logRole writes as many batches as its name says, from one on, and says so once
// each is acknowledged.
func logRole(ctx context.Context, dsn, name string) error {
	var first, batches int
	if _, err := fmt.Sscan(name, &first, &batches); err != nil {
		return err
	}
	log, err := OpenLog(ctx, dsn, &keepAll)
	if err != nil {
		return err
	}
	for b := first; b < first+batches; b++ {
		if err := log.WriteLog(ctx, roleEntries(b)); err != nil {
			return err
		}
		fmt.Println(b)
	}
	return log.Close()
}

// roleEntries are of permissions of their own, so that batches add series too.
func roleEntries(b int) []apikey.LogEntry {
	entries := withBodies(newEntries(b*roleBatch, (b+1)*roleBatch), "a request", "a response")
	for i := range entries {
		entries[i].Detail = fmt.Sprint(b)
		entries[i].Permission = fmt.Sprint("permission ", b/2)
	}
	return entries
}

// A process that is killed leaves all that it acknowledged, no batch in part, and
// no lock that others wait for.
func TestLogSurvivesKill(t *testing.T) {
	const apart = 1_000_000 // batches of two rounds
	dsn := newDatabase(t)
	db := hostHandle(t, dsn)
	acknowledged := 0
	for round := range 3 {
		p := start(t, "log", dsn, fmt.Sprint(round*apart, " ", apart))
		require.Equal(t, strconv.Itoa(round*apart), p.line(t))
		time.AfterFunc(time.Duration(10+31*round)*time.Millisecond, func() { _ = p.cmd.Process.Kill() })
		last := round * apart
		for p.lines.Scan() {
			var err error
			last, err = strconv.Atoi(p.lines.Text())
			require.NoError(t, err, p.lines.Text())
		}
		require.Error(t, p.cmd.Wait(), "killed")
		acknowledged += last - round*apart + 1

		log := openLog(t, dsn, &keepAll)
		e := newEntry(-1 - round)
		e.Detail = fmt.Sprint(-1 - round)
		require.NoError(t, log.WriteLog(t.Context(), []apikey.LogEntry{e}))
		requireConsistent(t, db)
		has := map[string]int{}
		for _, e := range readAll(t, log, apikey.LogQuery{}) {
			has[e.Detail]++
		}
		for b := round * apart; b <= last; b++ {
			require.Contains(t, has, strconv.Itoa(b), "was acknowledged")
		}
		for batch, n := range has {
			require.Contains(t, []int{1, roleBatch}, n, "of batch %s", batch)
		}
	}
	t.Logf("%d batches were acknowledged in 3 rounds", acknowledged)
}

func TestTwoProcessesWriteOneLog(t *testing.T) {
	dsn := newDatabase(t)
	const batches = 30
	a, b := start(t, "log", dsn, fmt.Sprint("0 ", batches)), start(t, "log", dsn, fmt.Sprint("15 ", batches))
	for _, p := range []*process{a, b} {
		for range batches {
			require.NotContains(t, p.line(t), "error")
		}
		require.NoError(t, p.cmd.Wait())
	}
	requireConsistent(t, hostHandle(t, dsn))
	var want []apikey.LogEntry
	for b := range batches + 15 { // of which 15 were written by both
		want = append(want, roleEntries(b)...)
	}
	assert.Equal(t, reversed(want), readAll(t, openLog(t, dsn, &keepAll), apikey.LogQuery{Bodies: true}))
}
