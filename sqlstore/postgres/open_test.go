package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A malformed DSN may have its password anywhere. Each here has it in pieces of
// five bytes or more.
func TestErrorsNeverQuoteTheDSN(t *testing.T) {
	secrets := []string{"hunter", "horse", "staple", "battery"}
	for _, dsn := range []string{
		"postgres://u:hunter%zzhorse@127.0.0.1:1/db",
		"postgres://u:hunter/horse@127.0.0.1:1/db",
		"postgres://u:hunter?horse=staple@127.0.0.1:1/db",
		"postgres://u:hunter#horse@127.0.0.1:1/db",
		"postgres://u:hunter@horse:staple@127.0.0.1:1/db",
		"postgres://u:hunter[horse@127.0.0.1:1/db",
		"postgres://u:hunter",
		"postgres://u:hunter horse@127.0.0.1:1/db",
		"postgres://u:a?target_session_attrs=hunter@127.0.0.1:1/db",
		"postgres://u:a?sslmode=hunter@127.0.0.1:1/db",
		"postgres://u:a?connect_timeout=hunter@127.0.0.1:1/db",
		"postgres://u:hunter@127.0.0.1:horse/db",
		"postgres://127.0.0.1:1/db?password=hunter%zz",
		"postgres://127.0.0.1:1/db?password=hunter&sslmode=horse",
		"postgres://127.0.0.1:1/db?sslpassword=hunter&sslcert=horse",
		"u:hunter@tcp(127.0.0.1:1)/db",
		"host=127.0.0.1 port=1 password='hunter horse",
		"host=127.0.0.1 port=1 password=hunter horse staple",
		"host=127.0.0.1 port=1 password=hunter sslmode=horse",
		`host=127.0.0.1 port=1 password=hunter\`,
		"hunter",
		"postgres://u:hunter@127.0.0.1:1/db", // a good one, but nobody listens
	} {
		store, err := Open(t.Context(), dsn, nil)
		require.Error(t, err, dsn)
		require.Nil(t, store)
		for _, secret := range secrets {
			for e := err; e != nil; e = errors.Unwrap(e) {
				assert.NotContains(t, fmt.Sprintf("%v %+v", e, e), secret, dsn)
			}
		}
	}
}

func TestErrorsSayWhatIsWrongWithTheDSN(t *testing.T) {
	for dsn, says := range map[string]string{
		"postgres://u:p%zz@127.0.0.1/db":                             "failed to parse as URL",
		"postgres://127.0.0.1:port/db":                               "invalid port",
		"postgres://127.0.0.1/db?sslmode=verify-full&sslrootcert=/-": "failed to configure TLS",
		"postgres://127.0.0.1/db?target_session_attrs=writable":      "unknown target_session_attrs value",
		"host":                          "failed to parse as keyword/value",
		"postgres://127.0.0.1:1/db?a=b": "connect",
	} {
		_, err := Open(t.Context(), dsn, nil)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "postgres: ")
	}
}

func TestOpenHeedsItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // which accepts and says nothing
	require.NoError(t, err)
	closeAfter(t, l)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = Open(ctx, "postgres://u@"+l.Addr().String()+"/db?sslmode=disable", nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 3*time.Second)
}

func TestOpenDoesNotWaitForEver(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closeAfter(t, l)
	began := time.Now()
	_, err = Open(t.Context(), "postgres://u@"+l.Addr().String()+"/db?sslmode=disable", nil)
	require.Error(t, err)
	assert.Less(t, time.Since(began), 2*connectTimeout)
}
