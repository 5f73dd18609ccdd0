package mysql

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// This binary, started again by a test, plays a role instead of running tests.
var roles = map[string]func(ctx context.Context, dsn, name string) error{
	"start":   startRole,
	"create":  createRole,
	"log":     logRole,
	"migrate": migrateRole,
}

func TestMain(m *testing.M) {
	role := os.Getenv("STORE_TEST_ROLE")
	if role == "" {
		os.Exit(m.Run())
	}
	if err := roles[role](context.Background(), os.Getenv("STORE_TEST_DSN"), os.Getenv("STORE_TEST_NAME")); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// A process plays a role; lines are what it prints.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
}

func start(t *testing.T, role, dsn, name string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_ROLE="+role, "STORE_TEST_DSN="+dsn, "STORE_TEST_NAME="+name)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &process{cmd, stdin, bufio.NewScanner(stdout)}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return p
}

func (p *process) line(t *testing.T) string {
	t.Helper()
	require.True(t, p.lines.Scan(), "the process ended without a line")
	return p.lines.Text()
}

// startRole starts as a server does, makes a key, and logs that.
func startRole(ctx context.Context, dsn, name string) error {
	store, err := Open(ctx, dsn, nil)
	if err != nil {
		return err
	}
	if err := store.Create(ctx, newKey(name)); err != nil {
		return err
	}
	if _, err := store.Lookup(ctx, apikey.DigestOf(name)); err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "key"))
	if err != nil {
		return err
	}
	if err := store.WriteLog(ctx, newEntries(n, n+1)); err != nil {
		return err
	}
	fmt.Println("served")
	return store.Close()
}

func TestManyProcessesStartAtOnce(t *testing.T) {
	const n = 10
	for round := range 3 {
		dsn := newDatabase(t)
		var processes [n]*process
		for i := range processes {
			processes[i] = start(t, "start", dsn, fmt.Sprint("key", i))
		}
		for _, p := range processes {
			require.Equal(t, "served", p.line(t), "round %d", round)
			require.NoError(t, p.cmd.Wait())
		}
		store, db := openStore(t, dsn), hostHandle(t, dsn)
		keys, err := store.List(t.Context(), apikey.Query{Limit: 100})
		require.NoError(t, err)
		assert.Len(t, keys, n)
		assert.Equal(t, reversed(newEntries(0, n)), readAll(t, store, apikey.LogQuery{}))
		for _, table := range []string{"apikey_schema", "apikey_log_schema"} {
			assert.Equal(t, 1, count(t, db, "SELECT COUNT(*) FROM "+table), "migrations applied")
		}
	}
}

// createRole makes keys until it is killed, and says so once each is
// acknowledged.
func createRole(ctx context.Context, dsn, name string) error {
	store, err := Open(ctx, dsn, nil)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		id := fmt.Sprint(name, "-", i)
		key := newKey(id)
		key.Credentials = append(key.Credentials, apikey.Credential{Digest: apikey.DigestOf(id + " older")})
		if err := store.Create(ctx, key); err != nil {
			return err
		}
		fmt.Println(id)
	}
}

// A process that is killed leaves whole keys, and no lock that others wait for.
func TestAcknowledgedKeysSurviveKill(t *testing.T) {
	dsn := newDatabase(t)
	store, db := openStore(t, dsn), hostHandle(t, dsn)
	var acknowledged []string
	for round := range 4 {
		p := start(t, "create", dsn, fmt.Sprint("round", round))
		first := p.line(t)
		require.NotContains(t, first, "error")
		acknowledged = append(acknowledged, first)
		time.AfterFunc(time.Duration(10+17*round)*time.Millisecond, func() { _ = p.cmd.Process.Kill() })
		for p.lines.Scan() {
			acknowledged = append(acknowledged, p.lines.Text())
		}
		require.Error(t, p.cmd.Wait(), "killed")
		require.NoError(t, store.Create(t.Context(), newKey(fmt.Sprint("after", round))))
		for _, id := range acknowledged {
			for _, text := range []string{id, id + " older"} {
				key, err := store.Lookup(t.Context(), apikey.DigestOf(text))
				require.NoError(t, err, id)
				require.Len(t, key.Credentials, 2)
			}
		}
	}
	keys := count(t, db, "SELECT COUNT(*) FROM apikey_keys")
	assert.Equal(t, keys, count(t, db, "SELECT COUNT(DISTINCT key_id) FROM apikey_credentials"), "keys with credentials")
	assert.Equal(t, keys, count(t, db, "SELECT seq FROM apikey_sequence"), "changes")
	assert.Equal(t, keys+1, count(t, db, "SELECT COUNT(*) FROM apikey_changes"), "rows of changes")
	t.Logf("%d keys were acknowledged", len(acknowledged))
}

// firstMigrations are those of the keys and of the log.
var firstMigrations = []string{"migrations/0001_keys.sql", "migrations/log/0001_log.sql"}

// statementsOf returns those of a migration.
func statementsOf(file string) ([]string, error) {
	text, err := migrations.ReadFile(file)
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
func migrateRole(ctx context.Context, dsn, name string) error {
	var cut int
	var file string
	if _, err := fmt.Sscan(name, &cut, &file); err != nil {
		return err
	}
	statements, err := statementsOf(file)
	if err != nil {
		return err
	}
	db, err := sql.Open(driverName, dsn)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	return exclusive(ctx, conn, func() error {
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

func TestKilledMigrationIsTakenUp(t *testing.T) {
	for _, file := range firstMigrations {
		statements, err := statementsOf(file)
		require.NoError(t, err)
		for cut := range len(statements) + 1 {
			testKilledMigration(t, file, cut)
		}
	}
}

// testKilledMigration kills a process after so many statements of a migration.
func testKilledMigration(t *testing.T, file string, cut int) {
	t.Helper()
	dsn := newDatabase(t)
	p := start(t, "migrate", dsn, fmt.Sprint(cut, " ", file))
	require.Equal(t, "cut", p.line(t))
	opened := make(chan error, 1)
	go func() {
		store, err := Open(t.Context(), dsn, nil)
		if err == nil {
			err = errors.Join(store.Create(t.Context(), newKey("k")), store.WriteLog(t.Context(), newEntries(0, 10)), store.Close())
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("Open did not wait for the migration: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	require.NoError(t, p.cmd.Process.Kill())
	require.NoError(t, <-opened, "killed after %d statements of %s", cut, file)
	db := hostHandle(t, dsn)
	assert.Equal(t, 1, count(t, db, "SELECT seq FROM apikey_sequence"))
	assert.Equal(t, 10, count(t, db, "SELECT COUNT(*) FROM apikey_log"))
	requireConsistent(t, db)
}

// A server that starts while another one migrates waits no longer than its
// context allows.
func TestWaitingForAMigrationHeedsItsContext(t *testing.T) {
	dsn := newDatabase(t)
	require.Equal(t, "cut", start(t, "migrate", dsn, "1 "+firstMigrations[0]).line(t))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := Open(ctx, dsn, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 3*time.Second)
}
