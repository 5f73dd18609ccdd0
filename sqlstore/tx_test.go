package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A fake is a database that only knows transactions.
type fake struct {
	connected int
	stale     int // connections on which no transaction begins
	commits   []error
	closed    int
}

func (f *fake) Connect(context.Context) (driver.Conn, error) {
	f.connected++
	return &fakeConn{f}, nil
}

func (f *fake) Driver() driver.Driver { return nil }

type fakeConn struct{ *fake }

func (c *fakeConn) Begin() (driver.Tx, error) {
	if c.stale > 0 {
		c.stale--
		return nil, driver.ErrBadConn
	}
	return c, nil
}

// Commit returns the next of the errors that are due.
func (c *fakeConn) Commit() error {
	if len(c.commits) == 0 {
		return nil
	}
	err := c.commits[0]
	c.commits = c.commits[1:]
	return err
}

func (c *fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (c *fakeConn) Rollback() error                     { return nil }
func (c *fakeConn) Close() error                        { c.closed++; return nil }

var (
	errDeadlock = errors.New("deadlock")
	errReadOnly = errors.New("read-only")
	errOther    = errors.New("other")
)

func fakeDialect() Dialect {
	return Dialect{
		IsRetryable: func(err error) bool { return errors.Is(err, errDeadlock) },
		IsReadOnly:  func(err error) bool { return errors.Is(err, errReadOnly) },
	}
}

func handle(t *testing.T, f *fake) *sql.DB {
	t.Helper()
	db := sql.OpenDB(f)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestTransactionsAreTriedAgain(t *testing.T) {
	for _, row := range []struct {
		what    string
		do      []error // what the transaction comes to, try by try, nil from then on
		commits []error
		tries   int
		says    string
	}{
		{"nothing is in the way", nil, nil, 1, ""},
		{"a deadlock", []error{errDeadlock}, nil, 2, ""},
		{"a transaction that was overtaken", []error{errOvertaken, errOvertaken}, nil, 3, ""},
		{"a deadlock found at the commit", nil, []error{errDeadlock}, 2, ""},
		{"another error", []error{errOther}, nil, 1, "other"},
		{"another error at the commit", nil, []error{errOther}, 1, "other"},
		{"another error after a deadlock", []error{errDeadlock, errOther}, nil, 2, "other"},
		{"deadlocks without end", repeated(errDeadlock, 100), nil, maxTries, "deadlock"},
	} {
		t.Run(row.what, func(t *testing.T) {
			f := &fake{commits: row.commits}
			tries := 0
			err := fakeDialect().inTx(t.Context(), handle(t, f), func(*sql.Tx) error {
				tries++
				if tries > len(row.do) {
					return nil
				}
				return row.do[tries-1]
			})
			assert.Equal(t, row.tries, tries)
			if row.says == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, row.says)
			}
			assert.Equal(t, 1, f.connected)
		})
	}
}

func repeated(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func TestTriesEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	began := time.Now()
	tries := 0
	err := fakeDialect().inTx(ctx, handle(t, &fake{}), func(*sql.Tx) error {
		if tries++; tries == 3 {
			cancel()
		}
		return errDeadlock
	})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errDeadlock)
	assert.Equal(t, 3, tries)
	assert.Less(t, time.Since(began), time.Second)
}

func TestConnectionToAReadOnlyServerIsClosed(t *testing.T) {
	for _, at := range []string{"statement", "commit"} {
		f := &fake{}
		d := fakeDialect()
		severed := 0
		d.Sever = func(driverConn any) {
			severed++
			assert.IsType(t, &fakeConn{}, driverConn)
		}
		db := handle(t, f)
		if at == "commit" {
			f.commits = []error{errReadOnly}
		}
		err := d.inTx(t.Context(), db, func(*sql.Tx) error {
			if at == "statement" {
				return errReadOnly
			}
			return nil
		})
		require.EqualError(t, err, "the server takes no writes: read-only")
		assert.Equal(t, 1, severed)
		assert.Equal(t, 1, f.closed)
		require.NoError(t, d.inTx(t.Context(), db, func(*sql.Tx) error { return nil }))
		assert.Equal(t, 2, f.connected)
	}
}

// A restart of the server leaves a pool of dead connections.
func TestDeadConnectionsArePassedOver(t *testing.T) {
	const n = 20
	f := &fake{}
	db := handle(t, f)
	db.SetMaxIdleConns(n)
	conns := make([]*sql.Conn, n)
	for i := range conns {
		var err error
		conns[i], err = db.Conn(t.Context())
		require.NoError(t, err)
	}
	for _, conn := range conns {
		require.NoError(t, conn.Close())
	}
	f.stale = n
	require.NoError(t, fakeDialect().inTx(t.Context(), db, func(*sql.Tx) error { return nil }))
	assert.Equal(t, n, f.closed)

	f.stale = 1 << 30 // no connection is any good
	err := fakeDialect().inTx(t.Context(), db, func(*sql.Tx) error { return nil })
	require.ErrorIs(t, err, driver.ErrBadConn)
}

func TestWatchWithoutAFeed(t *testing.T) {
	err := Watch(t.Context(), &Store{dialect: Dialect{Name: "SQLite"}}, nil)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}
