package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/admin"
	"github.com/seed-be062aaa/apikey/apikeytest"
)

func openLegacy(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%d?mode=memory&cache=shared", time.Now().UnixNano()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// TestServer drives the example as its users do.
func TestServer(t *testing.T) {
	db := openLegacy(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var output bytes.Buffer
	done := make(chan error, 1)
	go func() { done <- run(t.Context(), db, listener, &output) }()
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		require.ErrorIs(t, <-done, net.ErrClosed)
		require.Contains(t, output.String(), "try: curl -H 'X-ApiKey: b7e1-4c9a' -X POST http://"+listener.Addr().String())
	})
	for _, row := range []struct {
		method, path, key string
		want              int
	}{
		{"POST", "/trigger", "b7e1-4c9a", 200},
		{"GET", "/status", "b7e1-4c9a", 200},
		{"POST", "/trigger", "03fd-77e2", 403}, // has no right to
		{"GET", "/status", "03fd-77e2", 200},
		{"GET", "/status", "9a9a-0001", 401}, // locked
		{"GET", "/status", "b7e1-4c9", 401},
		{"GET", "/status", "", 401},
	} {
		req, err := http.NewRequestWithContext(t.Context(), row.method, "http://"+listener.Addr().String()+row.path, nil)
		require.NoError(t, err)
		req.Header.Set("X-ApiKey", row.key)
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, row.want, resp.StatusCode, "%+v", row)
	}
}

// TestContract: the ten lines keep every rule of a store that looks keys up.
func TestContract(t *testing.T) {
	db := openLegacy(t)
	db.SetMaxOpenConns(1)
	_, err := db.ExecContext(t.Context(), existing)
	require.NoError(t, err)
	require.NoError(t, addDigests(t.Context(), db))
	apikeytest.TestLookup(t, legacyStore{db}, apikey.DigestOf("b7e1-4c9a"), apikey.DigestOf("9a9a-0001"))
}

// TestNulls: a column of a legacy table may hold none, and that grants nothing.
func TestNulls(t *testing.T) {
	db := openLegacy(t)
	db.SetMaxOpenConns(1)
	_, err := db.ExecContext(t.Context(), existing+`
INSERT INTO api_clients VALUES (4, NULL, 'all unsaid', NULL, NULL), (5, NULL, 'open', NULL, 0), (6, 'no key', NULL, 1, 0);`)
	require.NoError(t, err)
	require.NoError(t, addDigests(t.Context(), db))
	for text, disabled := range map[string]bool{"all unsaid": true, "open": false} {
		key, err := legacyStore{db}.Lookup(t.Context(), apikey.DigestOf(text))
		require.NoError(t, err, text)
		require.Equal(t, disabled, key.Disabled, text)
		require.Equal(t, []apikey.Permission{apikey.JobsView}, key.Permissions, text)
		require.Empty(t, key.Name)
	}
}

// TestWithoutManagement: what such a store cannot do is said plainly.
func TestWithoutManagement(t *testing.T) {
	auth, err := apikey.New(t.Context(), legacyStore{openLegacy(t)}, nil)
	require.NoError(t, err)
	_, _, issueErr := auth.Issue(t.Context(), apikey.KeySpec{})
	_, _, rotateErr := auth.Rotate(t.Context(), "1", 0)
	_, bootErr := auth.Keys(t.Context(), apikey.Query{})
	_, adminErr := admin.NewAPI(auth, admin.ByKey(auth), nil)
	for _, err := range []error{issueErr, rotateErr, bootErr, adminErr, auth.Delete(t.Context(), "1")} {
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
	require.NoError(t, auth.Shutdown(t.Context()))
}
