package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// This binary, started again by a test, plays a role instead of running tests.
var roles = map[string]func(ctx context.Context, path, name string) error{
	"start":   startRole,
	"create":  createRole,
	"lock":    lockRole,
	"migrate": migrateRole,
	"log":     logRole,
	"served":  servedRole,
}

func TestMain(m *testing.M) {
	role := os.Getenv("SQLITE_TEST_ROLE")
	if role == "" {
		os.Exit(m.Run())
	}
	if err := roles[role](context.Background(), os.Getenv("SQLITE_TEST_PATH"), os.Getenv("SQLITE_TEST_NAME")); err != nil {
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

func start(t *testing.T, role, path, name string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "SQLITE_TEST_ROLE="+role, "SQLITE_TEST_PATH="+path, "SQLITE_TEST_NAME="+name)
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

// startRole starts as a server does, and makes a key.
func startRole(ctx context.Context, path, name string) error {
	store, err := Open(ctx, path)
	if err != nil {
		return err
	}
	if err := store.Create(ctx, newKey(name)); err != nil {
		return err
	}
	if _, err := store.Lookup(ctx, apikey.DigestOf(name)); err != nil {
		return err
	}
	fmt.Println("served")
	return store.Close()
}

func TestManyProcessesStartAtOnce(t *testing.T) {
	const n = 8
	for round := range 3 {
		path := filepath.Join(t.TempDir(), "keys.db")
		var processes [n]*process
		for i := range processes {
			processes[i] = start(t, "start", path, fmt.Sprint("key", i))
		}
		for _, p := range processes {
			require.Equal(t, "served", p.line(t), "round %d", round)
			require.NoError(t, p.cmd.Wait())
		}
		store := openFile(t, path)
		keys, err := store.List(t.Context(), apikey.Query{Limit: 100})
		require.NoError(t, err)
		assert.Len(t, keys, n)
		var applied int
		err = store.reads.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM apikey_schema").Scan(&applied)
		require.NoError(t, err)
		assert.Equal(t, 1, applied, "migrations applied")
	}
}

// createRole makes keys until it is killed, and says so once each is
// acknowledged.
func createRole(ctx context.Context, path, name string) error {
	store, err := Open(ctx, path)
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

func TestAcknowledgedKeysSurviveKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	var acknowledged []string
	for round := range 6 {
		p := start(t, "create", path, fmt.Sprint("round", round))
		first := p.line(t)
		require.NotContains(t, first, "error")
		acknowledged = append(acknowledged, first)
		time.AfterFunc(time.Duration(10+17*round)*time.Millisecond, func() { _ = p.cmd.Process.Kill() })
		for p.lines.Scan() {
			acknowledged = append(acknowledged, p.lines.Text())
		}
		require.Error(t, p.cmd.Wait(), "killed")

		store, err := Open(t.Context(), path)
		require.NoError(t, err)
		for _, id := range acknowledged {
			for _, text := range []string{id, id + " older"} {
				key, err := store.Lookup(t.Context(), apikey.DigestOf(text))
				require.NoError(t, err, id)
				require.Len(t, key.Credentials, 2)
			}
		}
		requireSound(t, store.writes)
		require.NoError(t, store.Close())
	}
	t.Logf("%d keys were acknowledged in 6 rounds", len(acknowledged))
}

// requireSound checks the file, and that no credential is left without its key.
func requireSound(t *testing.T, db *sql.DB) {
	t.Helper()
	var verdict string
	require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict))
	require.Equal(t, "ok", verdict)
	var orphans int
	err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM pragma_foreign_key_check").Scan(&orphans)
	require.NoError(t, err)
	require.Zero(t, orphans)
}

// migrateRole begins a migration and waits in the middle of it.
func migrateRole(ctx context.Context, path, name string) error {
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	text, err := migrations.ReadFile("migrations/0001_keys.sql")
	if err != nil {
		return err
	}
	statements := strings.SplitAfter(string(text), ";\n")
	var cut int
	if _, err := fmt.Sscan(name, &cut); err != nil {
		return err
	}
	return exclusive(ctx, conn, func() error {
		for _, statement := range statements[:min(cut, len(statements)-1)] {
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
	for cut := range 5 {
		path := filepath.Join(t.TempDir(), "keys.db")
		p := start(t, "migrate", path, fmt.Sprint(cut))
		require.Equal(t, "cut", p.line(t))

		opened := make(chan error, 1)
		go func() {
			store, err := Open(t.Context(), path)
			if err == nil {
				err = store.Create(t.Context(), newKey("k"))
				_ = store.Close()
			}
			opened <- err
		}()
		select {
		case err := <-opened:
			t.Fatalf("Open did not wait for the migration: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		require.NoError(t, p.cmd.Process.Kill())
		require.NoError(t, <-opened, "killed after %d statements", cut)
	}
}

// lockRole holds the write lock until its input ends.
func lockRole(ctx context.Context, path, _ string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	return exclusive(ctx, conn, func() error {
		fmt.Println("locked")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	})
}

func TestWriterElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	store := openFile(t, path)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	p := start(t, "lock", path, "")
	require.Equal(t, "locked", p.line(t))

	t.Run("lookups do not wait", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 100 {
			_, err := store.Lookup(ctx, apikey.DigestOf("k"))
			require.NoError(t, err)
		}
	})
	t.Run("a server starts", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		second, err := Open(ctx, path)
		require.NoError(t, err)
		_, err = second.Lookup(ctx, apikey.DigestOf("k"))
		require.NoError(t, err)
		require.NoError(t, second.Close())
	})
	t.Run("writes end with their context", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, store.Create(ctx, newKey("late")), context.DeadlineExceeded)
		assert.Less(t, time.Since(began), 2*time.Second)
		_, err := store.Get(t.Context(), "late")
		require.ErrorIs(t, err, apikey.ErrNotFound)
	})
	t.Run("writes wait for the lock", func(t *testing.T) {
		time.AfterFunc(200*time.Millisecond, func() { _ = p.stdin.Close() })
		began := time.Now()
		require.NoError(t, store.Create(t.Context(), newKey("late")))
		assert.Greater(t, time.Since(began), 150*time.Millisecond, "nothing was locked")
		_, err := store.Lookup(t.Context(), apikey.DigestOf("late"))
		require.NoError(t, err)
	})
}

func TestLockHeldTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "host.db")
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(50)")
	require.NoError(t, err)
	closeAfter(t, db)
	store, err := New(t.Context(), db, nil)
	require.NoError(t, err)
	closeAfter(t, store)
	require.Equal(t, "locked", start(t, "lock", path, "").line(t))
	err = store.Create(t.Context(), newKey("k"))
	require.True(t, isBusy(err), "got %v", err)
	_, err = store.Get(t.Context(), "k")
	require.ErrorIs(t, err, apikey.ErrNotFound)
}
