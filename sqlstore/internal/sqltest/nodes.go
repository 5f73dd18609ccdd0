package sqltest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
)

// TestNodes tests what becomes of keys where servers share a database.
func (d *Database) TestNodes(t *testing.T) {
	t.Run("a node is cut off", d.cutOffNode)
	t.Run("the answer to a commit is lost", d.commitWhoseAnswerWasLost)
	t.Run("a node stops in the middle of a change", d.nodeStoppedInAChange)
	t.Run("management leaves connections to lookups", d.managementLeavesConnectionsToLookups)
	t.Run("a lookup is one round trip", d.lookupIsOneRoundTrip)
}

func (d *Database) cutOffNode(t *testing.T) {
	dsn := d.Make(t)
	proxied, p := d.Server.Proxied(t, dsn)
	storetest.TestCutOffNode(t, d.Store(t, dsn), d.Store(t, proxied), p)
}

// A revocation whose commit was made, and the answer to it lost, is reported as
// failed, and holds: also at once, on the node that made it.
func (d *Database) commitWhoseAnswerWasLost(t *testing.T) {
	dsn := d.Make(t)
	proxied, p := d.Server.Proxied(t, dsn)
	here := storetest.StartNode(t, d.Store(t, proxied), apikey.CacheOptions{})
	there := storetest.StartNode(t, d.Store(t, dsn), apikey.CacheOptions{Off: true})
	id, text := storetest.Issue(t, here)
	require.NoError(t, storetest.Opens(t, here, text))
	p.LoseAnswer(commits)
	_, err := here.Revoke(t.Context(), id)
	require.Error(t, err)
	require.ErrorIs(t, storetest.Opens(t, here, text), apikey.ErrKeyRevoked)
	require.ErrorIs(t, storetest.Opens(t, there, text), apikey.ErrKeyRevoked)
	key, err := here.Revoke(t.Context(), id)
	require.NoError(t, err, "again, which finds nothing to do")
	require.EqualValues(t, 2, key.Version)
}

func commits(request []byte) bool {
	request = bytes.ReplaceAll(bytes.ToUpper(request), []byte("READ COMMITTED"), nil)
	return bytes.Contains(request, []byte("COMMIT"))
}

// A process that is stopped, or cut off, in the middle of a change holds the row by
// which changes wait for each other, until the server ends its transaction.
func (d *Database) nodeStoppedInAChange(t *testing.T) {
	dsn := d.Make(t)
	proxied, p := d.Server.Proxied(t, dsn)
	stopped, other := d.Store(t, proxied), d.Store(t, dsn)
	silent := p.SilenceAt(commits)
	ctx, resume := context.WithCancel(t.Context())
	var hanging sync.WaitGroup
	hanging.Go(func() { assert.Error(t, stopped.Create(ctx, storetest.NewKey("a"))) })
	<-silent
	within, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := other.Create(within, storetest.NewKey("b"))
	resume()
	p.Redirect("")
	hanging.Wait()
	require.NoError(t, err)
}

// Twenty administrators wait for a lock that nobody gives back, more than the store
// has connections. Requests find one all the same.
func (d *Database) managementLeavesConnectionsToLookups(t *testing.T) {
	dsn := d.Make(t)
	const connections = 16
	db := d.Handle(t, dsn)
	db.SetMaxOpenConns(connections)
	store := d.StoreOver(t, db, nil)
	auth := storetest.StartNode(t, store, apikey.CacheOptions{Off: true})
	_, text := storetest.Issue(t, auth)
	tx, err := d.Handle(t, dsn).BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	Execute(t, tx, "UPDATE apikey_sequence SET seq = seq WHERE id = 1")
	var waiting sync.WaitGroup
	for i := range 20 {
		waiting.Go(func() { assert.NoError(t, store.Create(t.Context(), storetest.NewKey(fmt.Sprint("k", i)))) })
	}
	require.Eventually(t, func() bool { return db.Stats().InUse >= connections/2-1 }, 10*time.Second, time.Millisecond)
	for range 20 {
		require.NoError(t, storetest.Opens(t, auth, text))
	}
	require.NoError(t, tx.Rollback())
	waiting.Wait()
}

func (d *Database) lookupIsOneRoundTrip(t *testing.T) {
	proxied, p := d.Server.Proxied(t, d.Make(t))
	db := d.Handle(t, proxied)
	db.SetMaxOpenConns(1)
	store := d.StoreOver(t, db, nil)
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
	const lookups = 50
	for _, text := range []string{"k", "unknown"} {
		_, _ = store.Lookup(t.Context(), apikey.DigestOf(text)) // the first one on a connection prepares
		before := p.Requests()
		for range lookups {
			_, _ = store.Lookup(t.Context(), apikey.DigestOf(text))
		}
		assert.EqualValues(t, lookups, p.Requests()-before)
	}
}
