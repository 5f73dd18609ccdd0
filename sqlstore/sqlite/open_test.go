package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
)

func TestOpenTakesPathsAsTheyAre(t *testing.T) {
	for _, name := range []string{
		"keys.db", "with space.db", "what?.db", "a?mode=memory", "#1.db", "100%.db", "%41.db", "a&b=c;d.db", "größe 🔑.db",
		"quote'\".db", "trailing ", "+.db", "file.db:", "back\\slash.db", "new\nline.db",
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.ContainsAny(name, "?\"\\\n: ") {
				t.Skip("not a file name on Windows")
			}
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			store, err := Open(t.Context(), path)
			require.NoError(t, err)
			require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
			require.NoError(t, store.Close())
			files, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, files, 1, "files beside the database")
			assert.Equal(t, name, files[0].Name())
			_, err = openFile(t, path).Get(t.Context(), "k")
			require.NoError(t, err)
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("not a database ", 100)), 0o600))
	for _, row := range []struct{ what, path, says string }{
		{"no path", "", "empty"},
		{"a database in memory", ":memory:", "NewMemoryStore"},
		{"a database in memory, configured", ":memory:?cache=shared", "NewMemoryStore"},
		{"a URI", "file:keys.db?mode=memory", "not the path of a file"},
		{"a missing directory", filepath.Join(dir, "missing", "keys.db"), "no such file or directory"},
		{"a directory", dir, "not a regular file"},
		{"another kind of file", text, "not a database"},
		{"a path with a NUL", dir + "/a\x00b", "invalid argument"},
	} {
		t.Run(row.what, func(t *testing.T) {
			store, err := Open(t.Context(), row.path)
			require.Nil(t, store)
			require.ErrorContains(t, err, row.says)
		})
	}
	after, err := os.ReadFile(text)
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("not a database ", 100), string(after), "the other file")
}

func TestOpenHeedsItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, filepath.Join(t.TempDir(), "keys.db"))
	require.ErrorIs(t, err, context.Canceled)
}

func TestOpenStaysInItsDirectory(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	t.Chdir(first)
	store := openFile(t, "keys.db")
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
	t.Chdir(second)
	store.reads.SetMaxIdleConns(0) // the next statements make new connections
	store.writes.SetMaxIdleConns(0)
	_, err := store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.NoError(t, err)
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("another")))
	require.NoFileExists(t, filepath.Join(second, "keys.db"))
	_, err = openFile(t, filepath.Join(first, "keys.db")).Get(t.Context(), "another")
	require.NoError(t, err)
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := t.TempDir()
	store := openFile(t, filepath.Join(dir, "keys.db"))
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
	for _, name := range []string{"keys.db", "keys.db-wal", "keys.db-shm"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
}

func TestConnectionsAreConfigured(t *testing.T) {
	store := openFile(t, filepath.Join(t.TempDir(), "keys.db"))
	pragma := func(query string) (value string) {
		require.NoError(t, store.writes.QueryRowContext(t.Context(), query).Scan(&value))
		return value
	}
	assert.Equal(t, "wal", pragma("PRAGMA journal_mode"))
	assert.Equal(t, "2", pragma("PRAGMA synchronous"), "FULL")
	assert.Equal(t, "1", pragma("PRAGMA foreign_keys"))
	assert.Equal(t, "5000", pragma("PRAGMA busy_timeout"))
	_, err := store.reads.ExecContext(t.Context(), "DELETE FROM apikey_keys")
	require.ErrorContains(t, err, "readonly")
}

func TestCloseEmptiesTheLog(t *testing.T) {
	dir := t.TempDir()
	store, err := Open(t.Context(), filepath.Join(dir, "keys.db"))
	require.NoError(t, err)
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
	require.NoError(t, store.Close())
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1, "only the database is left")
	_, err = store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.Error(t, err)
	require.NotErrorIs(t, err, apikey.ErrNotFound)
}
