package main

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tests in this file run two servers on one store, and look at what the one
// does with keys that the other has revoked.

// fullKey is the text of their first key.
const fullKey = "the two nodes' first"

// missing skips the test, or fails it where APIKEY_REQUIRE says that it must run.
func missing(t *testing.T, name string, err error) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("APIKEY_REQUIRE"), ","), name) {
		t.Fatalf("%s is required, and not there: %v", name, err)
	}
	t.Skipf("%s is not there: %v", name, err)
}

// A shared store is one for several servers: its -store flag, and how its change
// feed is cut for a moment.
type sharedStore struct {
	flag string
	cut  func()
}

func postgresStore(t *testing.T) sharedStore {
	t.Helper()
	const server = "postgres://postgres@127.0.0.1:5432/%s?sslmode=disable"
	db, name := freshDatabase(t, "postgres", "pgx", fmt.Sprintf(server, "postgres"), ` WITH (FORCE)`)
	return sharedStore{fmt.Sprintf(server, name), func() {
		_, err := db.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, name)
		assert.NoError(t, err)
	}}
}

func mariaStore(t *testing.T) sharedStore {
	t.Helper()
	db, name := freshDatabase(t, "mysql", "mysql", "root@tcp(127.0.0.1:3306)/", "")
	return sharedStore{"mysql://root@127.0.0.1:3306/" + name, func() {
		var list sql.NullString
		err := db.QueryRow(`SELECT GROUP_CONCAT(id) FROM information_schema.processlist WHERE db = ?`, name).Scan(&list)
		if err != nil {
			t.Error(err)
		}
		for id := range strings.SplitSeq(list.String, ",") {
			_, _ = db.Exec("KILL " + id) // it may have gone by itself
		}
	}}
}

// freshDatabase returns a handle to a server, and the name of a database in it that
// goes with the test.
func freshDatabase(t *testing.T, service, driver, dsn, force string) (db *sql.DB, name string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	if err := db.Ping(); err != nil {
		missing(t, service, err)
	}
	name = "apikey_test_otter_" + strings.ToLower(rand.Text()[:10])
	_, err = db.Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.Exec("DROP DATABASE " + name + force)
		assert.NoError(t, err)
	})
	return db, name
}

func redisStore(t *testing.T) sharedStore {
	t.Helper()
	s := ownRedis(t)
	return sharedStore{s.flag, func() { assert.True(t, strings.HasPrefix(ask(s.address, "CLIENT KILL TYPE pubsub"), ":")) }}
}

// ask sends Redis one command, and returns the first line of its answer.
func ask(addr, command string) string {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = fmt.Fprintf(conn, "%s\r\n", command)
	answer := make([]byte, 200)
	n, _ := conn.Read(answer)
	line, _, _ := strings.Cut(string(answer[:n]), "\r\n")
	return line
}

// revocations is how many keys TestTwoNodes revokes with the feed, unless
// APIKEY_REVOCATIONS says otherwise, and otherwise also how many with the feed cut.
const revocations, revocationsCut = 60, 5

// TestTwoNodes: keys that one server has revoked, under load on both, are refused by
// it at once, and by the other within the bound.
func TestTwoNodes(t *testing.T) {
	keys, keysCut := revocations, revocationsCut
	if n, err := strconv.Atoi(os.Getenv("APIKEY_REVOCATIONS")); err == nil {
		keys, keysCut = n, n
	}
	for _, row := range []struct {
		name      string
		store     func(*testing.T) sharedStore
		keys      int
		cut       bool
		p50, most time.Duration
	}{
		{"PostgreSQL", postgresStore, keys, false, 100 * time.Millisecond, time.Second},
		{"PostgreSQL, feed cut just before", postgresStore, keysCut, true, 10 * time.Second, 10 * time.Second},
		{"MariaDB", mariaStore, keys, false, 500 * time.Millisecond, time.Second},
		{"MariaDB, feed cut just before", mariaStore, keysCut, true, 10 * time.Second, 10 * time.Second},
		{"Redis", redisStore, keys, false, 100 * time.Millisecond, time.Second},
		{"Redis, feed cut just before", redisStore, keysCut, true, 10 * time.Second, 10 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("it takes a while")
			}
			store := row.store(t)
			dir := t.TempDir()
			here := start(t, dir, "-store", store.flag, bootstrapEnv+"="+fullKey)
			there := start(t, dir, "-store", store.flag)
			stopLoad := load(t, here, there)
			lags := make([]time.Duration, row.keys)
			var group sync.WaitGroup
			workers := workers
			if row.cut {
				workers = 1 // a cut takes the others' requests along
			}
			for worker := range workers {
				group.Go(func() {
					for i := worker; i < row.keys && !t.Failed(); i += workers {
						lags[i] = revocationLag(t, here, there, store, row.cut, 2*row.most)
					}
				})
			}
			group.Wait()
			served := stopLoad()
			require.False(t, t.Failed())
			slices.Sort(lags)
			p50, p99, most := lags[len(lags)/2], lags[len(lags)*99/100], lags[len(lags)-1]
			t.Logf("%d revocations beside %d other requests: refused elsewhere after p50 %s, p99 %s, max %s", row.keys, served, p50, p99, most)
			require.LessOrEqual(t, p50, row.p50)
			require.LessOrEqual(t, most, row.most)
		})
	}
}

// TestTwoNodesShareTheLog: what was recorded by one server is read through the other.
func TestTwoNodesShareTheLog(t *testing.T) {
	for name, store := range map[string]func(*testing.T) sharedStore{"PostgreSQL": postgresStore, "MariaDB": mariaStore} {
		t.Run(name, func(t *testing.T) {
			flag := store(t).flag
			dir := t.TempDir()
			here := start(t, dir, "-store", flag, bootstrapEnv+"=two-nodes-full")
			there := start(t, dir, "-store", flag)
			id, secret, err := here.create("two-nodes-full")
			require.NoError(t, err)
			require.True(t, here.serves(secret))
			logged := func(p *process) string {
				return p.call(http.MethodGet, "/api/api-keys/access-logs?keyId="+id+"&path=/api/jobs/", "two-nodes-full", "").body
			}
			require.Eventually(t, func() bool { return strings.Contains(logged(there), `"status":404`) }, 10*time.Second, 20*time.Millisecond)
			assert.JSONEq(t, logged(here), logged(there))
		})
	}
}

// workers is how many keys are revoked at a time.
const workers = 10

// revocationLag makes a key that both servers know, revokes it at the one, and
// returns how long after its answer the other still served the key.
func revocationLag(t *testing.T, here, there *process, store sharedStore, cut bool, limit time.Duration) time.Duration {
	t.Helper()
	id, secret, err := here.create(fullKey)
	if err != nil {
		t.Error(err)
		return 0
	}
	if !assert.Eventually(t, func() bool { return here.serves(secret) && there.serves(secret) },
		10*time.Second, time.Millisecond) {
		return 0
	}
	if cut {
		store.cut()
	}
	assert.Equal(t, http.StatusOK, here.revoke(id))
	acknowledged := time.Now()
	assert.False(t, here.serves(secret), "by the server that revoked it, at once")
	for there.serves(secret) && assert.Less(t, time.Since(acknowledged), limit) {
	}
	return time.Since(acknowledged)
}

// serves reports whether p lets a key view jobs.
func (p *process) serves(key string) bool {
	p.t.Helper()
	return p.call(http.MethodGet, "/api/jobs/status?token=none", key, "").status == http.StatusNotFound
}

// revoke revokes a key, trying again while connections that were cut are made anew.
func (p *process) revoke(id string) (status int) {
	p.t.Helper()
	for range 20 {
		status = p.call(http.MethodPost, "/api/api-keys/"+id+"/revoke", fullKey, "").status
		if status != http.StatusServiceUnavailable {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return status
}

// load keeps servers busy with a valid key until its result is called, which returns
// how many requests they served. None is refused for want of a key.
func load(t *testing.T, servers ...*process) (stop func() int64) {
	t.Helper()
	var served atomic.Int64
	done := make(chan struct{})
	var group sync.WaitGroup
	for _, p := range servers {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
				answer, err := p.send(http.MethodGet, "/api/json/Roles_GetRoles", fullKey, "")
				if err != nil {
					continue
				}
				assert.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, answer.status)
				served.Add(1)
			}
		})
	}
	return func() int64 {
		close(done)
		group.Wait()
		return served.Load()
	}
}
