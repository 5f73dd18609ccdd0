package sqltest

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
func (d *Database) logRole(ctx context.Context, dsn, name string) error {
	var first, batches int
	if _, err := fmt.Sscan(name, &first, &batches); err != nil {
		return err
	}
	log, err := d.OpenLog(ctx, dsn, &KeepAll)
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
	entries := WithBodies(NewEntries(b*roleBatch, (b+1)*roleBatch), "a request", "a response")
	for i := range entries {
		entries[i].Detail = fmt.Sprint(b)
		entries[i].Permission = fmt.Sprint("permission ", b/2)
	}
	return entries
}

// A process that is killed leaves all that it acknowledged, no batch in part, and
// no lock that others wait for.
func (d *Database) logSurvivesKill(t *testing.T) {
	const apart = 1_000_000 // batches of two rounds
	dsn := d.Make(t)
	acknowledged := 0
	for round := range 3 {
		p := Start(t, "log", dsn, fmt.Sprint(round*apart, " ", apart))
		require.Equal(t, strconv.Itoa(round*apart), p.Line(t))
		last := round * apart
		for _, line := range p.LinesUntilKilled(t, time.Duration(10+31*round)*time.Millisecond) {
			var err error
			last, err = strconv.Atoi(line)
			require.NoError(t, err, line)
		}
		acknowledged += last - round*apart + 1

		log, err := d.OpenLog(t.Context(), dsn, &KeepAll)
		require.NoError(t, err)
		e := NewEntry(-1 - round)
		e.Detail = fmt.Sprint(-1 - round)
		require.NoError(t, log.WriteLog(t.Context(), []apikey.LogEntry{e}))
		has := map[string]int{}
		for _, e := range ReadAll(t, log, apikey.LogQuery{}) {
			has[e.Detail]++
		}
		for b := round * apart; b <= last; b++ {
			require.Contains(t, has, strconv.Itoa(b), "was acknowledged")
		}
		for batch, n := range has {
			require.Contains(t, []int{1, roleBatch}, n, "of batch %s", batch)
		}
		require.NoError(t, log.Close())
		d.check(t, dsn)
	}
	t.Logf("%d batches were acknowledged in 3 rounds", acknowledged)
}

func (d *Database) twoProcessesWriteOneLog(t *testing.T) {
	dsn := d.Make(t)
	const batches = 30
	a, b := Start(t, "log", dsn, fmt.Sprint("0 ", batches)), Start(t, "log", dsn, fmt.Sprint("15 ", batches))
	for _, p := range []*Process{a, b} {
		for range batches {
			require.NotContains(t, p.Line(t), "error")
		}
		require.NoError(t, p.cmd.Wait())
	}
	d.RequireConsistent(t, d.Handle(t, dsn))
	var want []apikey.LogEntry
	for b := range batches + 15 { // of which 15 were written by both
		want = append(want, roleEntries(b)...)
	}
	assert.Equal(t, Reversed(want), ReadAll(t, d.Log(t, dsn, &KeepAll), apikey.LogQuery{Bodies: true}))
}
