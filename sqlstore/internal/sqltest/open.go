package sqltest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey/internal/storetest"
)

// TestErrorsQuoteNoSecret opens what cannot be opened. A malformed DSN may have its
// password anywhere: here it is in pieces, of "hunter", "horse" and "staple".
func (d *Database) TestErrorsQuoteNoSecret(t *testing.T, dsns []string) {
	t.Helper()
	for _, dsn := range dsns {
		store, err := d.Open(t.Context(), dsn)
		require.Error(t, err, dsn)
		require.Nil(t, store)
		for _, secret := range []string{"hunter", "horse", "staple"} {
			for e := err; e != nil; e = errors.Unwrap(e) {
				assert.NotContains(t, fmt.Sprintf("%v %+v", e, e), secret, dsn)
			}
		}
	}
}

// TestOpenHeedsItsContext opens a DSN of a server that accepts connections and says
// nothing.
func (d *Database) TestOpenHeedsItsContext(t *testing.T, dsn func(addr string) string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	storetest.CloseAfter(t, l)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = d.Open(ctx, dsn(l.Addr().String()))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 3*time.Second)
}
