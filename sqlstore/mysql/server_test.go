package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// inOne executes statements in one transaction.
func inOne(t testing.TB, db *sql.DB, statements string) {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	for statement := range strings.SplitSeq(statements, "; ") {
		_, err := tx.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	require.NoError(t, tx.Commit())
}

func addressOf(t testing.TB, dsn string) string {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	return config.Addr
}

// through returns the DSN of the same database behind a proxy.
func through(t testing.TB, dsn string, p *proxy) string {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	config.Addr = p.addr
	return config.FormatDSN()
}

// analyze lets the server know how many rows there are.
func analyze(t testing.TB, db *sql.DB) {
	t.Helper()
	execute(t, db, "ANALYZE TABLE apikey_keys, apikey_credentials")
}

func TestWatchEndsWithItsConnection(t *testing.T) {
	dsn := newDatabase(t)
	store, db := openStore(t, dsn), hostHandle(t, dsn)
	// One connection each for the log, for Watch and for all else, to tell which is
	// which.
	store.ownedLog.SetMaxOpenConns(1)
	store.owned.SetMaxOpenConns(2)
	w := startWatch(t, store)
	log, other := count(t, store.ownedLog, "SELECT CONNECTION_ID()"), count(t, store.owned, "SELECT CONNECTION_ID()")
	watch := count(t, db, `SELECT id FROM information_schema.processlist
		WHERE db = DATABASE() AND id NOT IN (?, ?, CONNECTION_ID())`, log, other)
	execute(t, db, "KILL ?", watch)
	_ = w.end(t, time.Second)
	w = startWatch(t, store)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	w.expect(t, "k")
}

func TestReadOnlyTransactionsAreLeft(t *testing.T) {
	store := openStore(t, newDatabase(t))
	store.owned.SetMaxOpenConns(1)
	execute(t, store.owned, "SET SESSION TRANSACTION READ ONLY")
	err := store.Create(t.Context(), newKey("k"))
	require.ErrorContains(t, err, "the server takes no writes")
	require.NoError(t, store.Create(t.Context(), newKey("k")), "over a new connection")
}

// The store's transaction holds one key and waits for the other, and the host's
// the other way round: the server ends one of them.
func TestDeadlockIsTriedAgain(t *testing.T) {
	db := hostHandle(t, newDatabase(t))
	store := newStore(t, db, nil)
	for _, id := range []string{"a", "b"} {
		require.NoError(t, store.Create(t.Context(), newKey(id)))
	}
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	// InnoDB ends the one that has changed less.
	execute(t, db, "CREATE TABLE ballast (n INTEGER PRIMARY KEY)")
	for n := range 100 {
		_, err = tx.ExecContext(t.Context(), "INSERT INTO ballast VALUES (?)", n)
		require.NoError(t, err)
	}
	_, err = tx.ExecContext(t.Context(), "UPDATE apikey_keys SET name = 'b' WHERE id = 'b'")
	require.NoError(t, err)
	at := time.Now().UTC().Truncate(time.Microsecond)
	recorded := make(chan error, 1)
	go func() {
		recorded <- store.RecordUses(t.Context(), []apikey.Use{{KeyID: "a", At: at}, {KeyID: "b", At: at}})
	}()
	awaitBlocked(t, db)
	_, err = tx.ExecContext(t.Context(), "UPDATE apikey_keys SET name = 'a' WHERE id = 'a'")
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	require.NoError(t, <-recorded)
	for _, id := range []string{"a", "b"} {
		key, err := store.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, id, key.Name)
		assert.Equal(t, at, key.LastUsedAt)
	}
}

// A credential moves to a digest that was free when the store looked.
func TestMoveIsOvertaken(t *testing.T) {
	db := hostHandle(t, newDatabase(t))
	store := newStore(t, db, nil)
	for _, id := range []string{"a", "b"} {
		require.NoError(t, store.Create(t.Context(), newKey(id)))
	}
	to := apikey.DigestOf("to")
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.ExecContext(t.Context(), "UPDATE apikey_credentials SET digest = ? WHERE key_id = 'b'", to[:])
	require.NoError(t, err)
	at := time.Now().UTC().Truncate(time.Microsecond)
	recorded := make(chan error, 1)
	go func() {
		recorded <- store.RecordUses(t.Context(), []apikey.Use{{KeyID: "a", At: at, From: apikey.DigestOf("a"), To: to}})
	}()
	awaitBlocked(t, db)
	require.NoError(t, tx.Commit())
	require.NoError(t, <-recorded)
	key, err := store.Lookup(t.Context(), apikey.DigestOf("a"))
	require.NoError(t, err)
	assert.Equal(t, at, key.LastUsedAt, "the use counts all the same")
	key, err = store.Lookup(t.Context(), to)
	require.NoError(t, err)
	assert.Equal(t, "b", key.ID)
}

// awaitBlocked waits until a transaction in the handle's database waits for
// another one's lock.
func awaitBlocked(t testing.TB, db *sql.DB) {
	t.Helper()
	require.Eventually(t, func() bool {
		return count(t, db, `SELECT COUNT(*) FROM information_schema.innodb_trx t
			JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
			WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()`) > 0
	}, 5*time.Second, 150*time.Millisecond) // InnoDB refreshes that table ten times a second, unless it is asked more often
}

func TestNewerTablesAreRefused(t *testing.T) {
	dsn := newDatabase(t)
	openStore(t, dsn)
	execute(t, hostHandle(t, dsn), "INSERT INTO apikey_schema VALUES (2, 0)")
	_, err := Open(t.Context(), dsn, nil)
	require.ErrorContains(t, err, "the tables are of version 2, and this program knows no version after 1")
}

func TestLookupTakesOneRoundTrip(t *testing.T) {
	dsn := newDatabase(t)
	p := startProxy(t, addressOf(t, dsn))
	store := openStore(t, through(t, dsn, p))
	store.owned.SetMaxOpenConns(1)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	const lookups = 50
	for _, text := range []string{"k", "unknown"} {
		_, _ = store.Lookup(t.Context(), apikey.DigestOf(text)) // the first one on a connection prepares
		before := p.asked.Load()
		for range lookups {
			_, _ = store.Lookup(t.Context(), apikey.DigestOf(text))
		}
		assert.EqualValues(t, lookups, p.asked.Load()-before)
	}
}

// A spy notes the statements that a handle prepares.
type spy struct {
	driver.Connector
	mu         sync.Mutex
	statements []string
}

func (s *spy) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := s.Connector.Connect(ctx)
	return spyConn{conn, s}, err
}

// A spyConn is of the least kind, by which every statement is prepared first.
type spyConn struct {
	driver.Conn
	spy *spy
}

func (c spyConn) Prepare(query string) (driver.Stmt, error) {
	c.spy.mu.Lock()
	defer c.spy.mu.Unlock()
	c.spy.statements = append(c.spy.statements, query)
	return c.Conn.Prepare(query)
}

func (c spyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

func TestStatementsUseIndexes(t *testing.T) {
	dsn := newDatabase(t)
	config, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	watched := &spy{Connector: connector}
	db := sql.OpenDB(watched)
	closeAfter(t, db)
	store := newStore(t, db, nil)
	key := newKey("k")
	use := apikey.Use{KeyID: "k", At: time.Now(), From: apikey.DigestOf("k"), To: apikey.DigestOf("moved")}
	require.NoError(t, store.Create(t.Context(), key))
	require.NoError(t, store.Update(t.Context(), key))
	require.NoError(t, store.RecordUses(t.Context(), []apikey.Use{use}))
	_, lookupErr := store.Lookup(t.Context(), use.To)
	_, getErr := store.Get(t.Context(), "k")
	_, listErr := store.List(t.Context(), apikey.Query{After: "z", Limit: 10})
	require.NoError(t, errors.Join(lookupErr, getErr, listErr))
	require.NoError(t, store.Delete(t.Context(), "k"))

	host := hostHandle(t, dsn)
	for i := range 200 { // for in tables that are small enough, reading all is the plan
		execute(t, host, "INSERT INTO apikey_keys VALUES (CONCAT('key', ?), '', '', '', '[]', 0, '{}', 0, 0, 0, 0, 0, 0, 1)", i)
		execute(t, host, "INSERT INTO apikey_credentials VALUES (CONCAT('key', ?), 0, UNHEX(SHA2(?, 256)), '', 0, 0, 0)", i, i)
	}
	analyze(t, host)
	explained := 0
	for _, statement := range watched.statements {
		if !strings.Contains(statement, "WHERE") || strings.HasPrefix(statement, "INSERT") {
			continue
		}
		explained++
		for _, access := range explain(t, host, statement) {
			assert.NotContains(t, []string{"ALL", "index"}, access, statement)
		}
	}
	assert.Greater(t, explained, 8)
}

// explain returns how a statement accesses each of the store's tables.
func explain(t testing.TB, db *sql.DB, statement string) (access []string) {
	t.Helper()
	// Values, for a plan depends on them: the ID of a key, its digest, a number.
	statement = regexp.MustCompile(`(digest = |digest\) = )\?`).ReplaceAllString(statement, "${1}UNHEX(SHA2('7', 256))")
	statement = regexp.MustCompile(`(id = |id < )\?`).ReplaceAllString(statement, "${1}'key7'")
	statement = strings.ReplaceAll(statement, "?", "7")
	rows, err := db.QueryContext(t.Context(), "EXPLAIN "+statement)
	require.NoError(t, err, statement)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	for rows.Next() {
		row := make([]sql.NullString, len(columns))
		targets := make([]any, len(columns))
		for i := range row {
			targets[i] = &row[i]
		}
		require.NoError(t, rows.Scan(targets...))
		var table, kind string
		for i, column := range columns {
			switch column {
			case "table":
				table = row[i].String
			case "type":
				kind = row[i].String
			}
		}
		if kind != "" && !strings.HasPrefix(table, "<") && table != "apikey_sequence" { // which has one row
			access = append(access, kind)
		}
	}
	require.NoError(t, rows.Err())
	return access
}
