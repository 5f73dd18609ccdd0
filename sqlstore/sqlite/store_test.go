package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// A transaction that reads before it writes fails at once where another handle
// has written in between, whatever its busy_timeout.
func TestWritersInTwoHandles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	host := database.StoreOver(t, database.Handle(t, path), nil)
	stores := []interface {
		apikey.ManagedStore
		apikey.UseRecorder
	}{openFile(t, path), openFile(t, path), host}

	var wg sync.WaitGroup
	for i, store := range stores {
		for n := range 4 {
			wg.Go(func() {
				key := storetest.NewKey(fmt.Sprint("key-", i, "-", n))
				assert.NoError(t, store.Create(t.Context(), key))
				for range 15 {
					assert.NoError(t, store.Update(t.Context(), key))
					key.Version++
					assert.NoError(t, store.RecordUses(t.Context(), []apikey.Use{{KeyID: key.ID, At: time.Now()}}))
				}
				assert.NoError(t, store.Delete(t.Context(), key.ID))
			})
		}
	}
	wg.Wait()
}

func TestNewerTablesAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	store, err := Open(t.Context(), path)
	require.NoError(t, err)
	_, err = store.writes.ExecContext(t.Context(), "INSERT INTO apikey_schema VALUES (2, 0)")
	require.NoError(t, err)
	require.NoError(t, store.Close())
	_, err = Open(t.Context(), path)
	require.ErrorContains(t, err, "the tables are of version 2, and this program knows no version after 1")
}

func TestPrefixIsValidated(t *testing.T) {
	db := database.Handle(t, filepath.Join(t.TempDir(), "host.db"))
	for _, prefix := range []string{"Keys_", "1_", "_", "a b", "a;", "a-", "é", strings.Repeat("a", 31)} {
		_, err := New(t.Context(), db, &sqlstore.Options{Prefix: prefix})
		require.ErrorContains(t, err, fmt.Sprintf("%q", prefix))
	}
}

// What the driver says of a row that is there already may quote it, digest and
// all, so none of it is handed on.
func TestDriverTextsOfDuplicatesAreDropped(t *testing.T) {
	store := openFile(t, filepath.Join(t.TempDir(), "keys.db"))
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("taken")))
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("other")))
	key := func(id string, digests ...string) *apikey.Key {
		key := &apikey.Key{ID: id, Version: 1}
		for _, d := range digests {
			key.Credentials = append(key.Credentials, apikey.Credential{Digest: apikey.DigestOf(d)})
		}
		return key
	}
	for _, row := range []struct {
		what string
		err  error
		want string
	}{
		{"Create of an ID that is taken", store.Create(t.Context(), key("taken", "free")), "sqlstore: creating a key: " + apikey.ErrExists.Error()},
		{"Create of a digest in use", store.Create(t.Context(), key("new", "free", "taken")), "sqlstore: creating a key: " + apikey.ErrInUse.Error()},
		{"Create of one digest twice", store.Create(t.Context(), key("new", "free", "free")), "sqlstore: creating a key: " + apikey.ErrInUse.Error()},
		{"Update to a digest in use", store.Update(t.Context(), key("other", "taken")), "sqlstore: updating a key: " + apikey.ErrInUse.Error()},
		{"SwapMarker beside one that is set", errors.Join(
			store.SwapMarker(t.Context(), nil, []byte("marker")),
			store.SwapMarker(t.Context(), nil, []byte("another")),
		), "sqlstore: swapping the marker: " + apikey.ErrConflict.Error()},
	} {
		require.EqualError(t, row.err, row.want, row.what)
		require.NotErrorAs(t, row.err, new(*sqlite.Error), row.what)
	}
}

// The table admits no such digest unless its checks are off. A store that passes
// over it would tell of a key with fewer texts than it has.
func TestADigestOfAnotherLengthIsAnError(t *testing.T) {
	for _, length := range []int{1, 31, 33} {
		t.Run(fmt.Sprint(length, " bytes"), func(t *testing.T) {
			store := openFile(t, filepath.Join(t.TempDir(), "keys.db"))
			key := storetest.NewKey("k")
			key.Credentials = append(key.Credentials, apikey.Credential{Digest: apikey.DigestOf("older")})
			require.NoError(t, store.Create(t.Context(), key))
			write(t, store, "PRAGMA ignore_check_constraints = 1")
			write(t, store, "UPDATE apikey_credentials SET digest = zeroblob(?) WHERE position = 1", length)

			_, lookupErr := store.Lookup(t.Context(), apikey.DigestOf("k"))
			_, getErr := store.Get(t.Context(), "k")
			_, listErr := store.List(t.Context(), apikey.Query{Limit: 10})
			for _, err := range []error{lookupErr, getErr, listErr} {
				require.ErrorContains(t, err, fmt.Sprintf(`a digest of key "k" has %d bytes, want 32`, length))
				require.NotErrorIs(t, err, apikey.ErrNotFound)
			}
		})
	}
}

// A program that knows more levels may have written them.
func TestUnknownLevelsOfLoggingAreLeftOut(t *testing.T) {
	store := openFile(t, filepath.Join(t.TempDir(), "keys.db"))
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
	for stored, want := range map[int]apikey.Logging{
		4: apikey.LogNone, 5: apikey.LogRequest, 128 + 2: apikey.LogResponse, 255: apikey.LogBoth,
	} {
		write(t, store, "UPDATE apikey_keys SET logging = ?", stored)
		found, err := store.Lookup(t.Context(), apikey.DigestOf("k"))
		require.NoError(t, err)
		require.Equal(t, want, found.Logging, "of %d", stored)
		got, err := store.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, want, got.Logging, "of %d", stored)
	}
}

// write runs a statement of the test's own.
func write(t *testing.T, store *Store, statement string, args ...any) {
	t.Helper()
	_, err := store.writes.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
}

// TestNoMixUp: under load nobody ever gets another's key, while the file is
// written to.
func TestNoMixUp(t *testing.T) {
	store := openFile(t, filepath.Join(t.TempDir(), "keys.db"))
	auth, err := apikey.New(t.Context(), store, &apikey.Options{StoreTimeout: time.Minute}) // however busy the machine is
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, auth.Shutdown(context.Background())) })
	all := []apikey.Permission{apikey.JobsView, apikey.JobsTrigger, apikey.Variables, apikey.Configuration}
	keys, ids := make([]*apikey.Key, 20), make([]string, 20)
	for i := range keys {
		spec := apikey.KeySpec{Permissions: []apikey.Permission{all[i%len(all)]}}
		keys[i], err = auth.IssueCustom(t.Context(), spec, fmt.Sprint("text-", i))
		require.NoError(t, err)
		ids[i] = keys[i].ID
	}
	routes := map[apikey.Permission]http.Handler{}
	for _, p := range all {
		routes[p] = auth.Require(p)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			key, _ := apikey.FromContext(r.Context())
			fmt.Fprint(w, key.ID)
		}))
	}
	ctx, stop := context.WithCancel(t.Context())
	var writer, readers sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			key := keys[i%len(keys)]
			spec := key.Spec()
			spec.Name = fmt.Sprint("change ", i)
			key, err := auth.Update(t.Context(), key.ID, key.Version, spec)
			if err != nil {
				t.Error(err)
				return
			}
			keys[i%len(keys)] = key
		}
	})
	for range 32 {
		readers.Go(func() {
			for range 100 {
				i, p := rand.IntN(len(ids)), all[rand.IntN(len(all))]
				r := httptest.NewRequest("GET", "/", nil)
				r.Header.Set("X-ApiKey", fmt.Sprint("text-", i))
				w := httptest.NewRecorder()
				routes[p].ServeHTTP(w, r)
				if allowed := all[i%len(all)] == p; allowed {
					assert.Equal(t, ids[i], w.Body.String())
				} else {
					assert.Equal(t, 403, w.Code)
				}
			}
		})
	}
	readers.Wait()
	stop()
	writer.Wait()
}

// A full disk refuses new keys, loses none, and needs nobody to recover.
func TestFullDisk(t *testing.T) {
	store := openFile(t, filepath.Join(t.TempDir(), "keys.db"))
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
	limit := func(pages int) {
		_, err := store.writes.ExecContext(t.Context(), fmt.Sprint("PRAGMA max_page_count = ", pages))
		require.NoError(t, err)
	}
	limit(1) // which SQLite takes for the present size
	big := storetest.NewKey("big")
	big.Description = strings.Repeat("x", 1<<20)
	require.ErrorContains(t, store.Create(t.Context(), big), "full")
	_, err := store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.NoError(t, err)
	_, err = store.Get(t.Context(), "big")
	require.ErrorIs(t, err, apikey.ErrNotFound)
	limit(1 << 30)
	require.NoError(t, store.Create(t.Context(), big))
	requireSound(t, store.writes)
}

// A revocation and a late batch of uses meet in either order.
func TestUsesNeverUndoRevocation(t *testing.T) {
	store := openFile(t, filepath.Join(t.TempDir(), "keys.db"))
	for i := range 50 {
		key := storetest.NewKey(fmt.Sprint("key", i))
		require.NoError(t, store.Create(t.Context(), key))
		key.RevokedAt = time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { assert.NoError(t, store.Update(t.Context(), key)) })
		wg.Go(func() {
			assert.NoError(t, store.RecordUses(t.Context(), []apikey.Use{{
				KeyID: key.ID, At: time.Now(), From: key.Credentials[0].Digest, To: apikey.DigestOf("moved " + key.ID),
			}}))
		})
		wg.Wait()
		got, err := store.Get(t.Context(), key.ID)
		require.NoError(t, err)
		require.False(t, got.RevokedAt.IsZero())
		require.Len(t, got.Credentials, 1)
	}
}
