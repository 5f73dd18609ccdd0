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
