package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// wait waits for a notification, which only pgx itself hands over: through
// database/sql, and through what a host has wrapped its driver in, none comes.
func wait(ctx context.Context, conn *sql.Conn, limit time.Duration) error {
	return conn.Raw(func(driverConn any) error {
		c, ok := driverConn.(*stdlib.Conn)
		if !ok {
			return pause(ctx, limit)
		}
		return waitOn(ctx, c.Conn(), limit)
	})
}

func waitOn(ctx context.Context, conn *pgx.Conn, limit time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	n, err := conn.WaitForNotification(limited)
	cancel()
	if err != nil && (ctx.Err() != nil || conn.IsClosed()) {
		return err // and else it is the limit, which leaves the connection open
	}
	// Those that have come as well say nothing new: with a context that is done,
	// this takes what is there.
	for err == nil && n != nil {
		n, err = conn.WaitForNotification(limited)
	}
	return nil
}

func pause(ctx context.Context, limit time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(limit):
		return nil
	}
}

// severTimeout is how long it may take to take leave of the server.
const severTimeout = time.Second

// sever closes the connection itself, for where it comes from a pgxpool.Pool,
// closing the adapter's would return it there.
func sever(driverConn any) {
	if c, ok := driverConn.(*stdlib.Conn); ok {
		ctx, cancel := context.WithTimeout(context.Background(), severTimeout)
		defer cancel()
		_ = c.Conn().Close(ctx) // it is of no use any more, whatever state it is in
	}
}

func discard(conn *sql.Conn) {
	_ = conn.Raw(func(driverConn any) error {
		sever(driverConn)
		return driver.ErrBadConn
	})
}
