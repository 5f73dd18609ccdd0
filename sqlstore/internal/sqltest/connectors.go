package sqltest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey/internal/storetest"
)

// A Spy notes the statements that a handle prepares.
type Spy struct {
	driver.Connector
	mu         sync.Mutex
	statements []string
}

// Statements returns those noted so far.
func (s *Spy) Statements() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.statements)
}

// SpyOn returns a handle, and who notes what it prepares.
func (d *Database) SpyOn(t testing.TB, dsn string) (*sql.DB, *Spy) {
	t.Helper()
	connector, err := d.Connector(dsn)
	require.NoError(t, err)
	spy := &Spy{Connector: connector}
	db := sql.OpenDB(spy)
	storetest.CloseAfter(t, db)
	return db, spy
}

// Connect implements [driver.Connector].
func (s *Spy) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := s.Connector.Connect(ctx)
	return spyConn{conn, s}, err
}

// A spyConn is of the least kind, by which every statement is prepared first.
type spyConn struct {
	driver.Conn
	spy *Spy
}

// Prepare implements [driver.Conn].
func (c spyConn) Prepare(query string) (driver.Stmt, error) {
	c.spy.mu.Lock()
	defer c.spy.mu.Unlock()
	c.spy.statements = append(c.spy.statements, query)
	return c.Conn.Prepare(query)
}

// BeginTx implements [driver.ConnBeginTx].
func (c spyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

// A lossy connector's transactions are committed, and the answer is lost.
type lossy struct {
	driver.Connector
	lose atomic.Bool
}

var errLost = errors.New("the connection was lost")

// Connect implements [driver.Connector].
func (l *lossy) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := l.Connector.Connect(ctx)
	return lossyConn{conn, l}, err
}

type lossyConn struct {
	driver.Conn
	of *lossy
}

// BeginTx implements [driver.ConnBeginTx].
func (c lossyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
	return lossyTx{tx, c.of}, err
}

type lossyTx struct {
	driver.Tx
	of *lossy
}

// Commit implements [driver.Tx].
func (tx lossyTx) Commit() error {
	if err := tx.Tx.Commit(); err != nil || !tx.of.lose.Load() {
		return err
	}
	return errLost
}
