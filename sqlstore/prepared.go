package sqlstore

import (
	"context"
	"database/sql"
)

// A prepared statement is one that is sent over and over, and prepared for that
// by the store, or else by the driver.
type prepared struct {
	on   preparer
	text string
	stmt *sql.Stmt // nil: the driver prepares
}

// A preparer is a [sql.DB], a [sql.Conn] or a [sql.Tx].
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (d Dialect) prepare(ctx context.Context, on preparer, text string) (*prepared, error) {
	p := &prepared{on: on, text: text}
	if d.Prepares {
		return p, nil
	}
	var err error
	p.stmt, err = on.PrepareContext(ctx, text)
	return p, err
}

func (p *prepared) query(ctx context.Context, args ...any) (*sql.Rows, error) {
	if p.stmt == nil {
		return p.on.QueryContext(ctx, p.text, args...)
	}
	return p.stmt.QueryContext(ctx, args...)
}

func (p *prepared) exec(ctx context.Context, args ...any) (sql.Result, error) {
	if p.stmt == nil {
		return p.on.ExecContext(ctx, p.text, args...)
	}
	return p.stmt.ExecContext(ctx, args...)
}

func (p *prepared) close() error {
	if p.stmt == nil {
		return nil
	}
	return p.stmt.Close()
}
