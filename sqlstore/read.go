package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/ascii"
)

// Lookup implements [apikey.Store], in one round trip.
func (s *Store) Lookup(ctx context.Context, digest apikey.Digest) (*apikey.Key, error) {
	rows, err := s.lookup.query(ctx, digest[:])
	if err != nil {
		return nil, fmt.Errorf("sqlstore: looking a key up: %w", err)
	}
	keys, err := collect(rows)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: looking a key up: %w", err)
	}
	if len(keys) == 0 {
		return nil, apikey.ErrNotFound
	}
	return keys[0], nil
}

// Get implements [apikey.ManagedStore].
func (s *Store) Get(ctx context.Context, id string) (*apikey.Key, error) {
	keys, err := s.query(ctx, s.text.get, id)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: getting a key: %w", err)
	}
	if len(keys) == 0 {
		return nil, apikey.ErrNotFound
	}
	return keys[0], nil
}

// List implements [apikey.ManagedStore]. A search reads keys one by one until
// the page is full.
func (s *Store) List(ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
	statement, args := s.list(q)
	keys, err := s.query(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: listing keys: %w", err)
	}
	return keys, nil
}

func (s *Store) query(ctx context.Context, statement string, args ...any) (keys []*apikey.Key, err error) {
	err = s.inTurn(ctx, func() error {
		rows, err := s.reads.QueryContext(ctx, statement, args...)
		if err == nil {
			keys, err = collect(rows)
		}
		return err
	})
	return keys, err
}

// list returns the statement for q. It cuts the page before it joins the
// credentials, so that Limit counts keys.
func (s *Store) list(q apikey.Query) (string, []any) {
	var where []string
	var args []any
	if q.After != "" {
		where = append(where, "id < ?")
		args = append(args, q.After)
	}
	if q.Search != "" {
		search := ascii.Lower(q.Search)
		var contain []string
		for _, column := range []string{"id", "name", "description", "subject"} {
			contain = append(contain, s.dialect.Contains(column, "?"))
			args = append(args, search)
		}
		where = append(where, "("+strings.Join(contain, " OR ")+")")
	}
	page := "SELECT * FROM apikey_keys"
	if len(where) > 0 {
		page += " WHERE " + strings.Join(where, " AND ")
	}
	page += " ORDER BY id DESC LIMIT ?"
	return s.spell(`SELECT ` + keyColumns + `, ` + credentialColumns + `
		FROM (` + page + `) k LEFT JOIN apikey_credentials c ON c.key_id = k.id
		ORDER BY k.id DESC, c.position`), append(args, q.Limit)
}
