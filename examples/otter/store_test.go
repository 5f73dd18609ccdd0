package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNoStoreIsRepeated: in a -store that cannot be opened, a password may stand in
// any place.
func TestNoStoreIsRepeated(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]string{
		"secretpw":                      "-store: legal are",
		"secretpw@h":                    "-store: legal are",
		"user=u password=secretpw":      "-store: legal are",
		"Secretpw:x":                    "-store: legal are",
		"mongodb://h?password=secretpw": `-store "mongodb:…": legal are`,
		"u:secretpw@tcp(h:3306)/d":      `-store "u:…": legal are`,
		"memory:secretpw":               `-store "memory:…": legal are`,
		"host=127.0.0.1 port=1 user=u password=secretpw": "postgres",
		"host=127.0.0.1 port=1 password='secretpw":       "host=",
		"postgres://u:secretpw@127.0.0.1:1/x y":          "postgres",
		"mysql://u:secretpw@127.0.0.1:1:2/x":             "mysql",
		"redis://u:secret/pw@127.0.0.1:1/0":              "redis",
	} {
		_, _, err := openStore(t.Context(), name)
		require.ErrorContains(t, err, says, name)
		require.ErrorContains(t, err, legalStores, name)
		assert.NotContains(t, strings.ToLower(err.Error()), "secret", name)
	}
}
