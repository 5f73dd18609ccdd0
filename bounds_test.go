package apikey

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
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

// A measuredBody notes how much room there is for it, what it has filled included.
type measuredBody struct {
	size, read int
	most       float64 // times what had come, or firstRead
}

func (b *measuredBody) Read(p []byte) (int, error) {
	b.most = max(b.most, float64(b.read+len(p))/float64(max(firstRead/4, b.read)))
	n := min(len(p), 700, b.size-b.read)
	b.read += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (*measuredBody) Close() error { return nil }

func TestBuffersForBodiesAreNoLarger(t *testing.T) {
	auth, err := New(t.Context(), NewMemoryStore(), &Options{MaxBody: 1_500_000})
	require.NoError(t, err)
	for _, declared := range []int64{-1, 100, 5_000, 70_000, 1_500_000} {
		body := &measuredBody{size: int(declared)}
		if declared < 0 {
			body.size = 1_500_000
		}
		r := httptest.NewRequest("POST", "/", body)
		r.Header.Set("Content-Type", typeForm)
		r.ContentLength = declared
		searched := &searchedBody{replay: replayedBody{rest: body}}
		require.Nil(t, auth.readBody(nil, r, searched))
		assert.LessOrEqual(t, body.most, 4.0, "%d bytes are declared", declared)
		if declared > 1<<10 {
			assert.LessOrEqual(t, int64(cap(searched.data)), 2*(declared+1), "%d bytes are declared", declared)
		}
	}
}

// What is found outlives the buffer, and what is cut does not stay in it.
func TestKeysAndBuffers(t *testing.T) {
	auth, err := New(t.Context(), NewMemoryStore(), nil)
	require.NoError(t, err)
	for body, kind := range map[string]string{
		"a=1&key=the-key&b=2":                  typeForm,
		"key=the%2Dkey&a=1&key=the-key&k%65y=": typeForm,
		`{"a":1,"API_Key":"the-key","b":2}`:    typeJSON,
		`{"a":1,"API_Key":"the\u002dkey"}`:     typeJSON,
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		var found presented
		require.Nil(t, auth.extract(nil, r, &found))
		buffer := found.body.replay.buffer
		next := auth.scrub(t.Context(), r, &found)
		all := (*buffer)[:cap(*buffer)]
		assert.NotContains(t, string(all), "key", "what is behind the rest is cleared")
		assert.Contains(t, string(all), "a")

		all[len(all)-1] = 'x' // as a reader may that is given so much room
		replayedFor(r, next).end(&auth.bodies)
		replayedFor(r, next).end(&auth.bodies)
		assert.Equal(t, make([]byte, len(all)), all)
		assert.Equal(t, "the-key", found.text)
		one, other := auth.bodies.get(len(all)), auth.bodies.get(len(all))
		assert.NotSame(t, one, other, "it is given back once")
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
