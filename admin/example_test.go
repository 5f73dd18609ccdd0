package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/go-chi/chi/v5"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/admin"
)

func ExampleNewAPI() {
	ctx := context.Background()
	auth, err := apikey.New(ctx, apikey.NewMemoryStore(), nil)
	if err != nil {
		panic(err)
	}
	manager := apikey.KeySpec{Permissions: []apikey.Permission{apikey.KeysManage}}
	if _, err := auth.IssueCustom(ctx, manager, "manager"); err != nil {
		panic(err)
	}
	api, err := admin.NewAPI(auth, admin.ByKey(auth), nil)
	if err != nil {
		panic(err)
	}
	r := chi.NewRouter()
	r.Mount("/api/api-keys", api)

	req := httptest.NewRequest(http.MethodGet, "/api/api-keys", nil)
	req.Header.Set("X-ApiKey", "manager")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	// Output: 200 application/json
}

// Users of the host's own open the page by their session, and may hand on what the host
// says that they hold.
func ExampleAuthorizer() {
	auth, err := apikey.New(context.Background(), apikey.NewMemoryStore(), nil)
	if err != nil {
		panic(err)
	}
	type session struct {
		User  string
		Admin bool
	}
	sessionOf := func(*http.Request) (session, bool) { return session{"ada", true}, true } // yours
	bySession := func(_ http.ResponseWriter, r *http.Request, need apikey.Permission) (apikey.Actor, *http.Request, error) {
		s, ok := sessionOf(r)
		actor := apikey.Actor{ID: "user:" + s.User, Name: s.User}
		if ok && s.Admin {
			actor.Permissions = []apikey.Permission{apikey.Native}
		}
		if !auth.Catalog().Grants(actor.Permissions, need) {
			return apikey.Actor{}, nil, apikey.ErrForbidden
		}
		return actor, nil, nil
	}
	page, err := admin.NewPage(auth, bySession, nil)
	if err != nil {
		panic(err)
	}
	r := chi.NewRouter()
	r.Mount("/administration/api-keys", page)

	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/administration/api-keys", nil))
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	// Output: 200 text/html; charset=utf-8
}
