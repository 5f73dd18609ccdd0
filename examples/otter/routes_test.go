package main

import (
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/apikeytest"
	"github.com/seed-be062aaa/apikey/examples/otter/internal/domain"
)

// found is a TB that notes what a check complains of.
type found struct {
	testing.TB
	complaints []string
}

func (f *found) Errorf(format string, _ ...any) { f.complaints = append(f.complaints, format) }

// TestEveryRouteRequires: no route of the server is open but /health, and one that
// somebody adds without a Require is found.
func TestEveryRouteRequires(t *testing.T) {
	auth, err := apikey.New(t.Context(), apikey.NewMemoryStore(), nil)
	require.NoError(t, err)
	handler, err := newHandler(auth, apikey.OtterErrors, domain.Seeded())
	require.NoError(t, err)
	router, ok := handler.(chi.Router)
	require.True(t, ok)
	apikeytest.Routes(t, router, "/health")

	router.Get("/api/forgotten", func(http.ResponseWriter, *http.Request) {})
	noted := &found{TB: t}
	apikeytest.Routes(noted, router, "/health")
	require.Len(t, noted.complaints, 1)
	require.Contains(t, noted.complaints[0], "neither requires")
}
