package peers

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// TestFloor: what others are compared with does decide.
func TestFloor(t *testing.T) {
	keys := Keys{}
	keys.Add(NewKey(1))
	expired, other := NewKey(2), NewKey(3)
	expired.ExpiresAt = time.Now().Add(-time.Second)
	other.Permissions = []apikey.Permission{apikey.InfrastructureView}
	keys.Add(expired)
	keys.Add(other)
	for _, row := range []struct {
		request string
		header  []string
		want    int
	}{
		{"a key", []string{Text(1)}, http.StatusOK},
		{"no key", nil, http.StatusUnauthorized},
		{"two keys", []string{Text(1), Text(1)}, http.StatusUnauthorized},
		{"a key that nobody has", []string{Text(4)}, http.StatusUnauthorized},
		{"a mistyped key", []string{Mistyped(1)}, http.StatusUnauthorized},
		{"a text too long to be looked up", []string{string(make([]byte, MaxText+1))}, http.StatusUnauthorized},
		{"an expired key", []string{Text(2)}, http.StatusUnauthorized},
		{"a key without the permission", []string{Text(3)}, http.StatusForbidden},
	} {
		t.Run(row.request, func(t *testing.T) {
			log := NewFloorLog()
			defer log.Close()
			served := false
			next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				served = r.Context().Value(floorContextKey{}) != nil
			})
			for _, floor := range []http.Handler{Floor(keys, Need, next), log.Floor(keys, Need, next)} {
				served = false
				r, w := httptest.NewRequest(http.MethodGet, Path, http.NoBody), httptest.NewRecorder()
				r.Header["X-Apikey"] = row.header
				floor.ServeHTTP(w, r)
				require.Equal(t, row.want, w.Code)
				require.Equal(t, row.want == http.StatusOK, served)
			}
		})
	}
}

// TestFloorLogEmpties: also what fills no batch is written soon.
func TestFloorLogEmpties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, keys := NewFloorLog(), Keys{}
		defer log.Close()
		keys.Add(NewKey(1))
		r := httptest.NewRequest(http.MethodGet, Path, http.NoBody)
		r.Header.Set("X-ApiKey", Text(1))
		log.Floor(keys, Need, http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
		require.EqualValues(t, 1, log.LogStats().Waiting)
		time.Sleep(floorInterval)
		synctest.Wait()
		require.Zero(t, log.LogStats().Waiting)
	})
}
