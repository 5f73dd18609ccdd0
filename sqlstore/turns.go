package sqlstore

import (
	"context"
	"database/sql"
)

// turns bound how many connections of the handle that lookups use are taken by
// anything else: a page of lists that searches for long, or writers that wait for a
// lock, must not leave requests without. Nil: the handle has no bound either.
type turns chan struct{}

// newTurns returns as many as are half of the handle's connections, less the one
// that Watch takes, and at least one.
func newTurns(db *sql.DB) turns {
	n := db.Stats().MaxOpenConnections
	if n == 0 {
		return nil
	}
	return make(turns, max(1, (n-1)/2))
}

// take waits for a turn, which the caller gives back.
func (t turns) take(ctx context.Context) error {
	if t == nil {
		return nil
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turns) give() {
	if t != nil {
		<-t
	}
}
