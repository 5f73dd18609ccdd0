package sqlstore

import (
	"context"
	"database/sql"
	"math/bits"
	"strings"
)

// An inserter writes rows to a table, as many with each statement as the dialect
// wants.
type inserter struct {
	log     *Log
	tx      *sql.Tx
	table   string
	columns []string
	most    int

	rows     int
	args     []any // of the rows that wait
	prepared *prepared
	locked   bool // a full statement was sent
}

func (l *Log) inserter(tx *sql.Tx, table string, columns []string) *inserter {
	return &inserter{log: l, tx: tx, table: table, columns: columns, most: max(1, l.dialect.BatchRows)}
}

// add takes a row, which values appends to a slice.
func (in *inserter) add(ctx context.Context, values func(to []any) []any) error {
	in.args = values(in.args)
	in.rows++
	if in.rows < in.most {
		return nil
	}
	if in.prepared == nil {
		var err error
		in.prepared, err = in.log.dialect.prepare(ctx, in.tx, in.statement(in.most))
		if err != nil {
			return err
		}
	}
	_, err := in.prepared.exec(in.context(ctx), in.args...)
	in.rows, in.args = 0, in.args[:0]
	return err
}

// context returns the context for the next full statement.
//
// Where rows go one by one the database is in this process, and with its first
// row the transaction has all locks that it needs: no later one waits. A context
// that can end would cost each of them a goroutine in the driver, and a tenth of
// the time.
func (in *inserter) context(ctx context.Context) context.Context {
	if in.most > 1 || !in.locked || ctx.Err() != nil {
		in.locked = true
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// flush writes the rows that wait: in one statement, or where the driver keeps
// what it has prepared in some of 32 rows, 16 and so on. It would soon keep one for
// each number of rows, and so would the server, for which they are large.
func (in *inserter) flush(ctx context.Context) error {
	args := in.args
	for in.rows > 0 {
		n := in.rows
		if in.log.dialect.Prepares {
			n = 1 << (bits.Len(uint(in.rows)) - 1)
		}
		values := n * len(in.columns)
		if _, err := in.tx.ExecContext(ctx, in.statement(n), args[:values]...); err != nil {
			return err
		}
		in.rows, args = in.rows-n, args[values:]
	}
	in.args = in.args[:0]
	return nil
}

func (in *inserter) close() {
	if in.prepared != nil {
		_ = in.prepared.close() // the transaction closes it too
	}
}

// statement returns an INSERT of n rows.
func (in *inserter) statement(n int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(in.columns)), ", ") + ")"
	return in.log.spell("INSERT INTO " + in.table + " (" + strings.Join(in.columns, ", ") + ") VALUES " +
		strings.TrimSuffix(strings.Repeat(row+", ", n), ", "))
}
