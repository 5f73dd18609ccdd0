package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// maxTries is how often a transaction is run before its failure is reported, and
// firstPause the most that is waited after the first try; it doubles each time.
const (
	maxTries   = 8
	firstPause = 10 * time.Millisecond
)

// errOvertaken is returned by what runs in a transaction, to have it run again:
// another one has taken in between what it found free.
var errOvertaken = errors.New("other writers were in the way each time")

// inTx runs do in a transaction, which it commits if do returns nil. Where others
// were in its way, it runs do again, so do has no effect but on tx.
//
// Each do begins with a statement that writes. SQLite then takes its write lock
// before it reads, waiting as long as it must; a transaction that reads first
// fails at once where another has written in between. Elsewhere that statement
// locks the key's row, so that changes to one key are made one after the other.
func (d Dialect) inTx(ctx context.Context, db *sql.DB, do func(tx *sql.Tx) error) error {
	for try := 1; ; try++ {
		err := d.tryTx(ctx, db, do)
		if err == nil || try == maxTries || !d.inTheWay(err) {
			return err
		}
		pause := time.Duration(rand.Int64N(int64(firstPause) << (try - 1))) //nolint:gosec // jitter
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, after: %w", ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

// inTheWay reports whether a transaction failed because of others beside it.
func (d Dialect) inTheWay(err error) bool {
	return errors.Is(err, errOvertaken) || d.IsRetryable != nil && d.IsRetryable(err)
}

func (d Dialect) tryTx(ctx context.Context, db *sql.DB, do func(tx *sql.Tx) error) error {
	conn, tx, err := d.begin(ctx, db)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it returns to the pool, or is discarded already
	defer tx.Rollback()
	if d.Begin != "" {
		_, err = tx.ExecContext(ctx, d.Begin)
	}
	if err == nil {
		err = do(tx)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil && d.IsReadOnly != nil && d.IsReadOnly(err) {
		_ = tx.Rollback()
		d.discard(conn)
		return fmt.Errorf("the server takes no writes: %w", err)
	}
	return err
}

// begin begins a transaction on a connection that it can name afterwards, which
// [sql.DB.BeginTx] does not let it do. As that does, it passes over connections
// that have died in the pool.
func (d Dialect) begin(ctx context.Context, db *sql.DB) (*sql.Conn, *sql.Tx, error) {
	for idle := db.Stats().Idle; ; idle-- {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, nil, err
		}
		tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: d.Isolation})
		if err == nil {
			return conn, tx, nil
		}
		_ = conn.Close() // which takes a dead one out of the pool
		if idle <= 0 || !errors.Is(err, driver.ErrBadConn) {
			return nil, nil, err
		}
	}
}

// discard closes a connection to the database instead of returning it to the
// pool.
func (d Dialect) discard(conn *sql.Conn) {
	_ = conn.Raw(func(driverConn any) error {
		if d.Sever != nil {
			d.Sever(driverConn)
		}
		return driver.ErrBadConn
	})
}
