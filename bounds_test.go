package apikey

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What somebody without a key can make the server hold, and what handlers share.

func TestABodyHoldsNoMoreThanFourTimesWhatHasCome(t *testing.T) {
	auth, err := New(t.Context(), NewMemoryStore(), &Options{MaxBody: 1 << 20})
	require.NoError(t, err)
	for _, row := range []struct {
		name     string
		read     int
		declared int64
		want     int
	}{
		{"much is declared, little has come", 4097, 1 << 20, 3 * 4097},
		{"nothing is declared", 4097, -1, 3 * 4097},
		{"the rest is known", 4097, 10_000, 10_001 - 4097},
		{"the bound is near", 1 << 19, -1, 1<<20 + 1 - 1<<19},
		{"more has come than was declared", 5000, 10, 3 * 5000},
		{"all of it is there", 10_001, 10_000, 3 * 10_001},
		{"it is too long", 1<<20 + 1, -1, 1},
	} {
		assert.Equal(t, row.want, auth.moreRoom(row.read, row.declared), row.name)
	}
}

func TestTextsThatMayBeKeysAreBounded(t *testing.T) {
	var rec record
	for i := range 1000 {
		rec.astray(fmt.Sprint(i), fmt.Sprint(i), "")
	}
	require.Len(t, rec.misplaced, maxMisplaced+1, "one too many says that there are more")
}

// Middleware may hand all responses the same slice, with room behind its values.
func TestVaryIsAddedToACopy(t *testing.T) {
	auth, err := New(t.Context(), NewMemoryStore(), nil)
	require.NoError(t, err)
	shared := append(make([]string, 0, 4), "Origin")
	one, other := httptest.NewRecorder(), httptest.NewRecorder()
	for _, h := range []http.Header{one.Header(), other.Header()} {
		h["Vary"] = shared
		auth.forbidCaching(h, nil)
		require.Equal(t, []string{"Origin", "X-Apikey"}, h["Vary"])
	}
	one.Header()["Vary"][1] = "changed"
	assert.Equal(t, "X-Apikey", other.Header()["Vary"][1])
	assert.Empty(t, shared[:2][1], "the shared slice is as it was")
}
