// Command customstore guards a server with keys from a table that was there long
// before: plain keys, one column for each right. It adds a column with the keys'
// digests, fills it, and looks keys up by it. Ten lines of Go make the table a
// store; the plain column can be dropped afterwards.
//
//	go run ./examples/customstore
//
// A store that only looks keys up serves requests as any other does. What it
// cannot do is manage keys: Issue, Update, Rotate and the rest return an error
// that wraps errors.ErrUnsupported, admin.NewAPI refuses it, and nobody notes
// when a key was last used. The table's owner goes on managing it.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	_ "modernc.org/sqlite"

	"github.com/seed-be062aaa/apikey"
)

func main() {
	db, err := sql.Open("sqlite", "file:legacy?mode=memory&cache=shared")
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:8081")
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(run(context.Background(), db, listener, os.Stdout))
}

// existing is the table as it was found.
const existing = `
CREATE TABLE api_clients (id INTEGER PRIMARY KEY, name TEXT, api_key TEXT, may_trigger INTEGER, locked INTEGER);
INSERT INTO api_clients VALUES
	(1, 'build server', 'b7e1-4c9a', 1, 0),
	(2, 'dashboard', '03fd-77e2', 0, 0),
	(3, 'intern', '9a9a-0001', 1, 1);`

func run(ctx context.Context, db *sql.DB, listener net.Listener, output io.Writer) error {
	db.SetMaxOpenConns(1) // a database in memory is its connection's own
	if _, err := db.ExecContext(ctx, existing); err != nil {
		return err
	}
	if err := addDigests(ctx, db); err != nil {
		return err
	}
	auth, err := apikey.New(ctx, legacyStore{db}, nil)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /trigger", auth.Require(apikey.JobsTrigger)(http.HandlerFunc(greet)))
	mux.Handle("GET /status", auth.Require(apikey.JobsView)(http.HandlerFunc(greet)))

	fmt.Fprintf(output, "try: curl -H 'X-ApiKey: b7e1-4c9a' -X POST http://%s/trigger\n", listener.Addr())
	return http.Serve(listener, mux)
}

func greet(w http.ResponseWriter, r *http.Request) {
	key, _ := apikey.FromContext(r.Context())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "hello, %s\n", key.Name)
}

// addDigests does once what a migration would: a column, its contents, and the
// index by which keys are found. From then on whoever writes api_key writes
// digest with it.
func addDigests(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, `ALTER TABLE api_clients ADD COLUMN digest BLOB`); err != nil {
		return err
	}
	texts, err := plainKeys(ctx, db)
	if err != nil {
		return err
	}
	for id, text := range texts {
		digest := apikey.DigestOf(text)
		if _, err := db.ExecContext(ctx, `UPDATE api_clients SET digest = ? WHERE id = ?`, digest[:], id); err != nil {
			return err
		}
	}
	_, err = db.ExecContext(ctx, `CREATE UNIQUE INDEX api_clients_digest ON api_clients (digest)`)
	return err
}

func plainKeys(ctx context.Context, db *sql.DB) (map[int]string, error) {
	rows, err := db.QueryContext(ctx, `SELECT id, api_key FROM api_clients WHERE api_key <> ''`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	texts := map[int]string{}
	for rows.Next() {
		var id int
		var text string
		if err := rows.Scan(&id, &text); err != nil {
			return nil, err
		}
		texts[id] = text
	}
	return texts, rows.Err()
}

// legacyStore is the table as a store.
type legacyStore struct{ db *sql.DB }

// Lookup implements [apikey.Store].
func (s legacyStore) Lookup(ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
	key := &apikey.Key{Permissions: []apikey.Permission{apikey.JobsView}, Credentials: []apikey.Credential{{Digest: d}}}
	var trigger bool
	// What a row leaves open is not granted: it may not trigger, and is locked.
	row := s.db.QueryRowContext(ctx, `SELECT id, COALESCE(name, ''), COALESCE(may_trigger, 0), COALESCE(locked, 1)
		FROM api_clients WHERE digest = ?`, d[:])
	err := row.Scan(&key.ID, &key.Name, &trigger, &key.Disabled)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, apikey.ErrNotFound
	}
	if trigger {
		key.Permissions = append(key.Permissions, apikey.JobsTrigger)
	}
	return key, err
}
