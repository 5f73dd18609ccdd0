package postgres

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey/internal/storetest"
)

func TestErrorsNeverQuoteTheDSN(t *testing.T) {
	database.TestErrorsQuoteNoSecret(t, []string{
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
	})
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
	database.TestOpenHeedsItsContext(t, func(addr string) string { return "postgres://u@" + addr + "/db?sslmode=disable" })
}

func TestOpenDoesNotWaitForEver(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	storetest.CloseAfter(t, l)
	began := time.Now()
	_, err = Open(t.Context(), "postgres://u@"+l.Addr().String()+"/db?sslmode=disable", nil)
	require.Error(t, err)
	assert.Less(t, time.Since(began), 2*connectTimeout)
}
