package mysql

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

// startServer returns the DSN of root on a MariaDB of the test's own, whose
// settings no other test sees.
func startServer(t testing.TB) string {
	t.Helper()
	storetest.NeedProgram(t, "mariadbd", "mariadb-install-db")
	storetest.NeedProgram(t, "mariadbd", "mariadbd")
	dir := t.TempDir()
	user := "--user=" + os.Getenv("USER")
	if os.Geteuid() == 0 {
		user = "--user=root"
	}
	data, socket := "--datadir="+filepath.Join(dir, "data"), filepath.Join(dir, "socket")
	output, err := exec.CommandContext(t.Context(), "mariadb-install-db", "--no-defaults", data, user,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve").CombinedOutput()
	require.NoError(t, err, string(output))
	log := filepath.Join(dir, "log")
	server := exec.Command("mariadbd", "--no-defaults", data, user, "--socket="+socket, "--port="+storetest.FreePort(t),
		"--bind-address=127.0.0.1", "--pid-file="+filepath.Join(dir, "pid"), "--log-error="+log,
		"--innodb-buffer-pool-size=16M")
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	dsn := "root@unix(" + socket + ")/"
	db := database.Handle(t, dsn)
	for range 400 {
		if err = db.PingContext(t.Context()); err == nil {
			return dsn
		}
		time.Sleep(25 * time.Millisecond)
	}
	said, _ := os.ReadFile(log)
	t.Fatalf("mariadbd did not start: %v\n%s", err, said)
	return ""
}

// A primary that has lost its role stays up, and takes no writes.
func TestServerThatTurnsReadOnlyIsLeft(t *testing.T) {
	rootDSN := startServer(t)
	root := database.Handle(t, rootDSN)
	// Root may write all the same.
	sqltest.Execute(t, root, "CREATE DATABASE keysdb")
	sqltest.Execute(t, root, "CREATE USER app@localhost")
	sqltest.Execute(t, root, "GRANT ALL ON keysdb.* TO app@localhost")
	dsn := "app" + rootDSN[len("root"):] + "keysdb"
	store := openStore(t, dsn)
	store.owned.SetMaxOpenConns(2)
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
	w := storetest.StartWatch(t, store)

	sqltest.Execute(t, root, "SET GLOBAL read_only = 1")
	require.ErrorContains(t, w.End(t, time.Second), "takes no writes any more")
	require.Error(t, store.Watch(t.Context(), func(string) { t.Error("it told of a change") }))
	for range 3 {
		key := storetest.NewKey("k")
		require.ErrorContains(t, store.Update(t.Context(), key), "the server takes no writes")
	}
	assert.Equal(t, 0, store.owned.Stats().OpenConnections, "connections kept to a server without writes")
	_, err := store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.NoError(t, err)
	require.NoError(t, openStore(t, dsn).Close(), "a server that only looks up may start")

	sqltest.Execute(t, root, "SET GLOBAL read_only = 0")
	require.NoError(t, store.Update(t.Context(), storetest.NewKey("k")))
	w = storetest.StartWatch(t, store)
	require.NoError(t, store.Delete(t.Context(), "k"))
	w.Expect(t, "k")
}

func TestWatchEndsWithItsConnection(t *testing.T) {
	dsn := newDatabase(t)
	db := database.Handle(t, dsn)
	// One connection each for Watch and for all else, to tell which is which.
	db.SetMaxOpenConns(2)
	store := database.StoreOver(t, db, nil)
	w := sqltest.StartWatch(t, store)
	watch := sqltest.Count(t, db, `SELECT id FROM information_schema.processlist
		WHERE db = DATABASE() AND id <> CONNECTION_ID()`)
	sqltest.Execute(t, db, "KILL ?", watch)
	_ = w.End(t, time.Second)
	w = sqltest.StartWatch(t, store)
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
	w.Expect(t, "k")
}
