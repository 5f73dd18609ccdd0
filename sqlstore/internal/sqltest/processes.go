package sqltest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
)

// Roles are those of the processes that [Database.TestProcesses] starts, for [Main].
func (d *Database) Roles() map[string]Role {
	return map[string]Role{"start": d.startRole, "create": d.createRole, "migrate": d.migrateRole, "log": d.logRole}
}

// TestProcesses tests processes that share a database, and are killed.
func (d *Database) TestProcesses(t *testing.T) {
	t.Run("many start at once", d.manyProcessesStartAtOnce)
	t.Run("acknowledged keys survive", d.acknowledgedKeysSurviveKill)
	t.Run("a migration is taken up", d.killedMigrationIsTakenUp)
	t.Run("waiting for a migration heeds its context", d.waitingForAMigrationHeedsItsContext)
	t.Run("acknowledged entries survive", d.logSurvivesKill)
	t.Run("two write one log", d.twoProcessesWriteOneLog)
}

// startRole starts as a server does, makes a key, and logs that.
func (d *Database) startRole(ctx context.Context, dsn, name string) error {
	store, err := d.Open(ctx, dsn)
	if err != nil {
		return err
	}
	if err := store.Create(ctx, storetest.NewKey(name)); err != nil {
		return err
	}
	if _, err := store.Lookup(ctx, apikey.DigestOf(name)); err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "key"))
	if err != nil {
		return err
	}
	if err := store.(apikey.LogStore).WriteLog(ctx, NewEntries(n, n+1)); err != nil {
		return err
	}
	fmt.Println("served")
	return store.Close()
}

func (d *Database) manyProcessesStartAtOnce(t *testing.T) {
	const n = 10
	for round := range 3 {
		dsn := d.Make(t)
		var processes [n]*Process
		for i := range processes {
			processes[i] = Start(t, "start", dsn, fmt.Sprint("key", i))
		}
		for _, p := range processes {
			require.Equal(t, "served", p.Line(t), "round %d", round)
			require.NoError(t, p.cmd.Wait())
		}
		store, db := d.Store(t, dsn), d.Handle(t, dsn)
		keys, err := store.List(t.Context(), apikey.Query{Limit: 100})
		require.NoError(t, err)
		assert.Len(t, keys, n)
		assert.Equal(t, Reversed(NewEntries(0, n)), ReadAll(t, store.(apikey.LogStore), apikey.LogQuery{}))
		for _, table := range []string{"apikey_schema", "apikey_log_schema"} {
			assert.Equal(t, 1, Count(t, db, "SELECT COUNT(*) FROM "+table), "migrations applied")
		}
	}
}

// createRole makes keys until it is killed, and says so once each is
// acknowledged.
func (d *Database) createRole(ctx context.Context, dsn, name string) error {
	store, err := d.Open(ctx, dsn)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		id := fmt.Sprint(name, "-", i)
		key := storetest.NewKey(id)
		key.Credentials = append(key.Credentials, apikey.Credential{Digest: apikey.DigestOf(id + " older")})
		if err := store.Create(ctx, key); err != nil {
			return err
		}
		fmt.Println(id)
	}
}

// A process that is killed leaves whole keys, and no lock that others wait for.
func (d *Database) acknowledgedKeysSurviveKill(t *testing.T) {
	dsn := d.Make(t)
	var acknowledged []string
	for round := range 4 {
		p := Start(t, "create", dsn, fmt.Sprint("round", round))
		first := p.Line(t)
		require.NotContains(t, first, "error")
		acknowledged = append(acknowledged, first)
		acknowledged = append(acknowledged, p.LinesUntilKilled(t, time.Duration(10+17*round)*time.Millisecond)...)

		store, err := d.Open(t.Context(), dsn)
		require.NoError(t, err)
		require.NoError(t, store.Create(t.Context(), storetest.NewKey(fmt.Sprint("after", round))))
		for _, id := range acknowledged {
			for _, text := range []string{id, id + " older"} {
				key, err := store.Lookup(t.Context(), apikey.DigestOf(text))
				require.NoError(t, err, id)
				require.Len(t, key.Credentials, 2)
			}
		}
		require.NoError(t, store.Close())
		d.check(t, dsn)
	}
	db := d.Handle(t, dsn)
	keys := Count(t, db, "SELECT COUNT(*) FROM apikey_keys")
	assert.Equal(t, keys, Count(t, db, "SELECT COUNT(DISTINCT key_id) FROM apikey_credentials"), "keys with credentials")
	if d.Dialect.Feed != nil {
		assert.Equal(t, keys, Count(t, db, "SELECT seq FROM apikey_sequence"), "changes")
		assert.Equal(t, keys+1, Count(t, db, "SELECT COUNT(*) FROM apikey_changes"), "rows of changes")
	}
	t.Logf("%d keys were acknowledged", len(acknowledged))
}

// check looks for damage, over connections that it closes.
func (d *Database) check(t *testing.T, dsn string) {
	t.Helper()
	db := d.Handle(t, dsn)
	if d.Check != nil {
		d.Check(t, db)
	}
	d.RequireConsistent(t, db)
	require.NoError(t, db.Close())
}

// firstMigrations are those of the keys and of the log.
var firstMigrations = []string{"0001_keys.sql", "log/0001_log.sql"}

// statementsOf returns those of a migration.
func (d *Database) statementsOf(file string) ([]string, error) {
	text, err := fs.ReadFile(d.Dialect.Migrations, file)
	if err != nil {
		return nil, err
	}
	var statements []string
	for statement := range strings.SplitAfterSeq(string(text), ";\n") {
		if strings.TrimSpace(statement) != "" {
			statements = append(statements, statement)
		}
	}
	return statements, nil
}

// migrateRole begins a migration and waits in the middle of it.
func (d *Database) migrateRole(ctx context.Context, dsn, name string) error {
	var cut int
	var file string
	if _, err := fmt.Sscan(name, &cut, &file); err != nil {
		return err
	}
	statements, err := d.statementsOf(file)
	if err != nil {
		return err
	}
	connector, err := d.Connector(dsn)
	if err != nil {
		return err
	}
	conn, err := sql.OpenDB(connector).Conn(ctx)
	if err != nil {
		return err
	}
	return d.Dialect.Exclusive(ctx, conn, func() error {
		for _, statement := range statements[:cut] {
			if _, err := conn.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		fmt.Println("cut")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	})
}

func (d *Database) killedMigrationIsTakenUp(t *testing.T) {
	for _, file := range firstMigrations {
		statements, err := d.statementsOf(file)
		require.NoError(t, err)
		for cut := range len(statements) + 1 {
			d.killMigration(t, file, cut)
		}
	}
}

// killMigration kills a process after so many statements of a migration.
func (d *Database) killMigration(t *testing.T, file string, cut int) {
	t.Helper()
	dsn := d.Make(t)
	p := Start(t, "migrate", dsn, fmt.Sprint(cut, " ", file))
	require.Equal(t, "cut", p.Line(t))
	opened := make(chan error, 1)
	go func() {
		store, err := d.Open(t.Context(), dsn)
		if err == nil {
			err = errors.Join(
				store.Create(t.Context(), storetest.NewKey("k")),
				store.(apikey.LogStore).WriteLog(t.Context(), NewEntries(0, 10)), store.Close(),
			)
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("Open did not wait for the migration: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	p.Kill()
	require.NoError(t, <-opened, "killed after %d statements of %s", cut, file)
	db := d.Handle(t, dsn)
	assert.Equal(t, 1, Count(t, db, "SELECT COUNT(*) FROM apikey_keys"))
	if d.Dialect.Feed != nil {
		assert.Equal(t, 1, Count(t, db, "SELECT seq FROM apikey_sequence"))
	}
	assert.Equal(t, 10, Count(t, db, "SELECT COUNT(*) FROM apikey_log"))
	d.RequireConsistent(t, db)
}

// A server that starts while another one migrates waits no longer than its
// context allows.
func (d *Database) waitingForAMigrationHeedsItsContext(t *testing.T) {
	dsn := d.Make(t)
	require.Equal(t, "cut", Start(t, "migrate", dsn, "1 "+firstMigrations[0]).Line(t))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := d.Open(ctx, dsn)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 3*time.Second)
}
