package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const (
	// pollInterval is how often Watch reads the table of changes where nothing
	// wakes it sooner.
	pollInterval = 250 * time.Millisecond
	// pollTimeout is how long a statement of Watch takes until the connection
	// counts as dead.
	pollTimeout = 4 * time.Second
)

var (
	errNoChanges = errors.New("its server takes no writes any more, or the table of changes is empty")
	errOneConn   = errors.New("it takes a connection to itself, and the handle allows no second one")
)

// Watch tells of changes to s as [apikey.ChangeFeed] demands, where its dialect
// has a [Feed]; else the error wraps [errors.ErrUnsupported]. The packages of the
// databases make their Watch of it.
//
// It takes one connection of the handle, and reads the table of changes four times
// a second, sooner where the database notifies it. It notices within 5 seconds
// that the connection is dead, also where nobody closed it. Where more than 10,000
// changes were made since it last read, it tells of a change of every key.
func Watch(ctx context.Context, s *Store, changed func(id string)) error {
	feed := s.dialect.Feed
	if feed == nil {
		return fmt.Errorf("sqlstore: watching for changes in a %s database: %w", s.dialect.Name, errors.ErrUnsupported)
	}
	w := watch{store: s, feed: feed, changed: changed}
	err := w.run(ctx)
	if ctx.Err() != nil {
		err = context.Cause(ctx) // whatever the driver made of it
	}
	return fmt.Errorf("sqlstore: watching for changes: %w", err)
}

// A watch is one run of Watch.
type watch struct {
	store   *Store
	feed    *Feed
	changed func(id string)

	conn *sql.Conn
	poll *prepared
	last change // the last one told
}

// run returns why it could not go on.
func (w *watch) run(ctx context.Context) error {
	// Lookups would wait for the one connection for ever.
	if w.store.db.Stats().MaxOpenConnections == 1 {
		return errOneConn
	}
	if err := inTime(ctx, w.start); err != nil {
		return err
	}
	// It must not return to the pool while it listens.
	defer w.store.dialect.discard(w.conn)
	for {
		if err := w.wait(ctx); err != nil {
			return err
		}
		if err := inTime(ctx, w.read); err != nil {
			return err
		}
	}
}

// start connects, and listens before it reads: what is committed in between is
// told all the same.
func (w *watch) start(ctx context.Context) (err error) {
	if w.conn, err = w.store.db.Conn(ctx); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.store.dialect.discard(w.conn)
		}
	}()
	if w.feed.Listen != "" {
		if _, err = w.conn.ExecContext(ctx, w.store.spell(w.feed.Listen)); err != nil {
			return err
		}
	}
	if w.poll, err = w.store.dialect.prepare(ctx, w.conn, w.store.text.changesFrom); err != nil {
		return err
	}
	return w.restart(ctx)
}

// inTime gives a step as long as a connection that lives may take.
func inTime(ctx context.Context, step func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	return step(ctx)
}

func (w *watch) wait(ctx context.Context) error {
	if w.feed.Wait != nil {
		return w.feed.Wait(ctx, w.conn, pollInterval)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pollInterval):
		return nil
	}
}

// restart goes to the end of the table, and tells of a change of every key.
func (w *watch) restart(ctx context.Context) error {
	found, err := readChanges(w.conn.QueryContext(ctx, w.store.text.lastChange, 0))
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errNoChanges
	}
	w.last = found[0]
	w.changed("")
	return nil
}

// read tells of what is new. The first row that it reads is the last one told, and
// the others follow it without a gap: if not, something was missed.
func (w *watch) read(ctx context.Context) error {
	found, err := readChanges(w.poll.query(ctx, w.last.seq))
	if err != nil {
		return err
	}
	if len(found) == 0 || found[0] != w.last {
		return w.restart(ctx)
	}
	for _, c := range found[1:] {
		if c.seq != w.last.seq+1 {
			return w.restart(ctx)
		}
		w.changed(c.keyID)
		w.last = c
	}
	return nil
}

func readChanges(rows *sql.Rows, err error) ([]change, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []change
	for rows.Next() {
		var c change
		if err := rows.Scan(&c.seq, &c.keyID, &c.changedAt); err != nil {
			return nil, err
		}
		found = append(found, c)
	}
	return found, rows.Err()
}
