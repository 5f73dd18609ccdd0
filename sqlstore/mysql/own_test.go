package mysql

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// startServer returns the DSN of root on a MariaDB of the test's own, whose
// settings no other test sees.
func startServer(t testing.TB) string {
	t.Helper()
	for _, program := range []string{"mariadb-install-db", "mariadbd"} {
		if _, err := exec.LookPath(program); err != nil {
			if required("mariadbd") {
				t.Fatalf("%s is not on PATH, and APIKEY_REQUIRE asks for mariadbd", program)
			}
			t.Skipf("%s is not on PATH; APIKEY_REQUIRE=mariadbd makes that a failure", program)
		}
	}
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
	server := exec.Command("mariadbd", "--no-defaults", data, user, "--socket="+socket, "--port="+freePort(t),
		"--bind-address=127.0.0.1", "--pid-file="+filepath.Join(dir, "pid"), "--log-error="+log,
		"--innodb-buffer-pool-size=16M")
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	dsn := "root@unix(" + socket + ")/"
	db := hostHandle(t, dsn)
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

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// A primary that has lost its role stays up, and takes no writes.
func TestServerThatTurnsReadOnlyIsLeft(t *testing.T) {
	rootDSN := startServer(t)
	root := hostHandle(t, rootDSN)
	// Root may write all the same.
	execute(t, root, "CREATE DATABASE keysdb")
	execute(t, root, "CREATE USER app@localhost")
	execute(t, root, "GRANT ALL ON keysdb.* TO app@localhost")
	dsn := "app" + rootDSN[len("root"):] + "keysdb"
	store := openStore(t, dsn)
	store.owned.SetMaxOpenConns(2)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	w := startWatch(t, store)

	execute(t, root, "SET GLOBAL read_only = 1")
	require.ErrorContains(t, w.end(t, time.Second), "takes no writes any more")
	require.Error(t, store.Watch(t.Context(), func(string) { t.Error("it told of a change") }))
	for range 3 {
		key := newKey("k")
		require.ErrorContains(t, store.Update(t.Context(), key), "the server takes no writes")
	}
	assert.Equal(t, 0, store.owned.Stats().OpenConnections, "connections kept to a server without writes")
	_, err := store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.NoError(t, err)
	require.NoError(t, openStore(t, dsn).Close(), "a server that only looks up may start")

	execute(t, root, "SET GLOBAL read_only = 0")
	require.NoError(t, store.Update(t.Context(), newKey("k")))
	w = startWatch(t, store)
	require.NoError(t, store.Delete(t.Context(), "k"))
	w.expect(t, "k")
}
