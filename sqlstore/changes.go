package sqlstore

import (
	"context"
	"database/sql"
	"time"
)

// keptChanges is how many changes the table of them holds: far more than are made
// between two readings of it.
const keptChanges = 10_000

// A Feed is how stores over one database tell each other of changes: each
// transaction that creates, changes or deletes a key adds a row to a table of
// changes, and [Watch] reads what is new in it.
//
// The rows are numbered without a gap, in the order of the commits: a transaction
// takes its number from the one row of another table, which it thereby holds until
// it has ended. A column that counts by itself would hand out numbers that are
// committed late, behind the back of who has read on. So transactions that change
// keys commit one after the other; lookups and RecordUses do not wait for them.
//
// The dialect's migrations make both tables: apikey_sequence with the columns id
// and seq and the row (1, 0), and apikey_changes with seq, key_id and changed_at,
// and the row (0, no ID, 0), since Watch needs a row to go on from.
type Feed struct {
	// Live is a condition that holds as long as the server takes writes: one
	// that has lost its role in a failover hears of no changes any more. Empty:
	// the connection to such a server breaks.
	Live string
	// Notify is a statement that each of those transactions ends with, so that a
	// Wait anywhere returns when it is committed. Empty: changes are polled for.
	Notify string
	// Listen is a statement by which a connection asks for that. Empty: none.
	Listen string
	// Wait returns when conn is notified, or else when limit is over, and an error
	// where ctx is done or the connection is lost. It need not notice each time:
	// what it misses is told later, but never lost. Nil: the limit passes.
	Wait func(ctx context.Context, conn *sql.Conn, limit time.Duration) error
}

// A change is a row of the table of changes. Its time serves to tell it from one
// of the same number in another history of the database, after a backup was
// restored or a replica took over that had not heard of everything.
type change struct {
	seq       int64
	keyID     string
	changedAt int64
}

// noteChange adds a change of the key to what a Watch tells. It comes last in a
// transaction, for all others wait for its end from then on.
func (s *Store) noteChange(ctx context.Context, tx *sql.Tx, keyID string) error {
	if s.dialect.Feed == nil {
		return nil
	}
	if _, err := tx.ExecContext(ctx, s.text.nextChange); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, s.text.insertChange, keyID, time.Now().UnixMicro()); err != nil {
		return err
	}
	// One row comes and one row goes, so none of these takes long.
	if _, err := tx.ExecContext(ctx, s.text.trimChanges, keptChanges); err != nil {
		return err
	}
	if notify := s.dialect.Feed.Notify; notify != "" {
		_, err := tx.ExecContext(ctx, s.spell(notify))
		return err
	}
	return nil
}
