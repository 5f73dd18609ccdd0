package main

import (
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An ownServer is a database server of the test's own, which it may stop.
type ownServer struct {
	t       *testing.T
	flag    string // -store
	address string
	name    string   // its program
	args    []string // what it is started with
	as      *syscall.SysProcAttr
	end     syscall.Signal // ends it at once, with all its processes
	ready   func() bool

	cmd *exec.Cmd
}

// start returns once the server answers.
func (s *ownServer) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.name, s.args...)
	s.cmd.SysProcAttr = s.as
	require.NoError(s.t, s.cmd.Start())
	require.Eventually(s.t, s.ready, 30*time.Second, 10*time.Millisecond, "%s does not answer", s.name)
}

func (s *ownServer) stop() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(s.end)
	_ = s.cmd.Wait() // killed, as it was told
}

// begin starts the server, and stops it when the test ends.
func (s *ownServer) begin() *ownServer {
	s.t.Helper()
	s.start()
	s.t.Cleanup(s.stop)
	return s
}

// freeAddress is where nobody listens.
func freeAddress(t *testing.T) (address, port string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String(), strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

func requirePrograms(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			missing(t, name, err)
		}
	}
}

func ownRedis(t *testing.T) *ownServer {
	t.Helper()
	requirePrograms(t, "redis-server")
	address, port := freeAddress(t)
	return (&ownServer{
		t: t, flag: "redis://" + address + "/0", address: address, name: "redis-server", end: syscall.SIGKILL,
		args:  []string{"--port", port, "--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", "always", "--dir", t.TempDir()},
		ready: func() bool { return ask(address, "PING") == "+PONG" },
	}).begin()
}

func ownMaria(t *testing.T) *ownServer {
	t.Helper()
	requirePrograms(t, "mariadbd", "mariadb-install-db")
	address, port := freeAddress(t)
	dir := t.TempDir()
	who, data := "--user="+currentUser(t), "--datadir="+filepath.Join(dir, "data")
	output, err := exec.Command("mariadb-install-db", "--no-defaults", data, who,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve").CombinedOutput()
	require.NoError(t, err, string(output))
	config, err := mysql.ParseDSN("root@tcp(" + address + ")/")
	require.NoError(t, err)
	config.Logger = &mysql.NopLogger{} // this server is killed
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	s := (&ownServer{
		t: t, flag: "mysql://root@" + address + "/otter", address: address, name: "mariadbd", end: syscall.SIGKILL,
		args: []string{
			"--no-defaults", data, who, "--port=" + port, "--bind-address=127.0.0.1", "--socket=" + filepath.Join(dir, "socket"),
			"--pid-file=" + filepath.Join(dir, "pid"), "--log-error=" + filepath.Join(dir, "log"), "--innodb-buffer-pool-size=16M",
		},
		ready: func() bool { return db.Ping() == nil },
	}).begin()
	_, err = db.Exec("CREATE DATABASE otter")
	require.NoError(t, err)
	return s
}

func currentUser(t *testing.T) string {
	t.Helper()
	current, err := user.Current()
	require.NoError(t, err)
	return current.Username
}

// ownPostgres runs as another user where the test is root's, whom PostgreSQL does
// not serve.
func ownPostgres(t *testing.T) *ownServer {
	t.Helper()
	requirePrograms(t, "initdb")
	address, port := freeAddress(t)
	dir, err := os.MkdirTemp("", "otter-postgres") //nolint:usetesting // nobody else can reach t.TempDir()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	var as *syscall.SysProcAttr
	if os.Geteuid() == 0 {
		nobody, err := user.Lookup("nobody")
		require.NoError(t, err)
		uid, _ := strconv.Atoi(nobody.Uid)
		gid, _ := strconv.Atoi(nobody.Gid)
		require.NoError(t, os.Chown(dir, uid, gid))
		as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	initdb := exec.Command("initdb", "-D", dir, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = as, "/"
	output, err := initdb.CombinedOutput()
	require.NoError(t, err, string(output))
	flag := fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", address)
	db, err := sql.Open("pgx", flag)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return (&ownServer{
		t: t, flag: flag, address: address, name: "postgres", as: as, end: syscall.SIGQUIT,
		args: []string{
			"-D", dir, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
			"-c", "shared_buffers=16MB",
		},
		ready: func() bool { return db.Ping() == nil },
	}).begin()
}

// TestStoreStops: the store is killed under load, and comes back. Keys that were in
// use open all the time, others are answered 503 in time, and none is ever called
// invalid; then all is well without another start.
func TestStoreStops(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *ownServer{
		"PostgreSQL": ownPostgres, "MariaDB": ownMaria, "Redis": ownRedis,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			p := start(t, t.TempDir(), "-store", store.flag, bootstrapEnv+"="+fullKey)
			_, cold, err := p.create(fullKey)
			require.NoError(t, err)
			stopLoad := load(t, p)
			for range 200 { // meanwhile the feed is taken up, and with it all asked for anew
				require.True(t, p.opens(fullKey))
			}

			store.stop()
			asked := time.Now()
			got := p.call("GET", "/api/jobs/status?token=none", cold, "")
			require.Equal(t, 503, got.status, "a key that was not used before: %s", got.body)
			require.NotEmpty(t, got.header.Get("Retry-After"))
			require.Less(t, time.Since(asked), 3*time.Second)
			require.True(t, p.opens(fullKey), "a key in use")
			require.Equal(t, 503, p.call("POST", "/api/api-keys", fullKey, `{"permissions":["jobs:view"]}`).status)
			require.Contains(t, p.stderr.String(), "the key store failed")

			store.start()
			began := time.Now()
			require.Eventually(t, func() bool {
				_, _, err := p.create(fullKey)
				return err == nil && p.serves(cold)
			}, 3*time.Second, 10*time.Millisecond)
			t.Logf("all was well %s after the store", time.Since(began).Round(time.Millisecond))
			require.Positive(t, stopLoad())
		})
	}
}

// TestFlushedRedis: a store that lost its keys is one that failed. It opens nothing,
// is begun anew by nobody, and the operator hears of it.
func TestFlushedRedis(t *testing.T) {
	t.Parallel()
	store := ownRedis(t)
	p := start(t, t.TempDir(), "-store", store.flag, bootstrapEnv+"="+fullKey)
	_, cold, err := p.create(fullKey)
	require.NoError(t, err)
	require.True(t, p.opens(fullKey))
	require.Equal(t, "+OK", ask(store.address, "FLUSHALL"))
	require.Equal(t, 503, p.call("GET", "/api/jobs/status?token=none", cold, "").status)
	require.Equal(t, 503, p.call("POST", "/api/api-keys", fullKey, `{"permissions":["jobs:view"]}`).status)
	require.Contains(t, p.stderr.String(), "Redis has lost this store")
}

// TestSuspendedProcess: a server that was stopped while a key was revoked, for longer
// than TTL, asks before it lets the key through again.
func TestSuspendedProcess(t *testing.T) {
	t.Parallel()
	store := ownRedis(t)
	here := start(t, t.TempDir(), "-store", store.flag, bootstrapEnv+"="+fullKey)
	there := start(t, t.TempDir(), "-store", store.flag)
	id, secret, err := here.create(fullKey)
	require.NoError(t, err)
	require.True(t, there.serves(secret))
	require.NoError(t, there.cmd.Process.Signal(syscall.SIGSTOP))
	require.Equal(t, 200, here.call("POST", "/api/api-keys/"+id+"/revoke", fullKey, "").status)
	time.Sleep(10 * time.Second) // TTL, by the kernel's clock: nothing else would show this
	require.NoError(t, there.cmd.Process.Signal(syscall.SIGCONT))
	require.False(t, there.serves(secret))
}

// TestNoMoreFiles: a server that may open no more files goes on serving those who are
// connected, by keys that it knows, and all others when it may again.
func TestNoMoreFiles(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "prlimit")
	p := start(t, t.TempDir(), "-store", ownRedis(t).flag, bootstrapEnv+"="+fullKey)
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	connected := func() int {
		r, err := http.NewRequest(http.MethodGet, p.base+"/api/json/Roles_GetRoles", http.NoBody)
		require.NoError(t, err)
		r.Header.Set("X-ApiKey", fullKey)
		resp, err := client.Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		return resp.StatusCode
	}
	limit := func(soft string) {
		output, err := exec.Command("prlimit", "--pid", strconv.Itoa(p.cmd.Process.Pid), "--nofile="+soft+":").CombinedOutput()
		require.NoError(t, err, string(output))
	}
	require.Equal(t, 200, connected())
	limit("1")
	waiting := make(chan answer, 1)
	go func() {
		got, err := p.send(http.MethodGet, "/api/json/Roles_GetRoles", fullKey, "")
		assert.NoError(t, err)
		waiting <- got
	}()
	require.Eventually(t, func() bool { return strings.Contains(p.stderr.String(), "too many open files") },
		10*time.Second, 10*time.Millisecond, "the server could not accept the connection")
	for range 10 {
		require.Equal(t, 200, connected())
	}
	limit("1024")
	require.Equal(t, 200, (<-waiting).status)
	require.Equal(t, 200, connected())
}
