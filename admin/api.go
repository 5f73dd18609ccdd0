package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/seed-be062aaa/apikey"
)

// api serves the JSON API over one Authority.
type api struct {
	auth      *apikey.Authority
	authorize Authorizer
	opts      Options
}

// NewAPI returns the JSON API over auth's keys: list, create, read, patch,
// rotate, revoke and delete. Every call needs [apikey.KeysManage].
//
// It works under any prefix; the empty path and "/" are the collection. Unsafe
// requests from another site's pages are refused. It returns an error where
// auth's store cannot manage keys, authorize is nil, or the catalog has no
// keys:manage.
func NewAPI(auth *apikey.Authority, authorize Authorizer, opts *Options) (http.Handler, error) {
	if auth == nil || authorize == nil {
		return nil, errors.New("admin: NewAPI needs an Authority and an Authorizer; ByKey(auth) makes one")
	}
	if err := auth.Managed(); err != nil {
		return nil, fmt.Errorf("admin: NewAPI: %w", err)
	}
	if !hasEntry(auth.Catalog(), apikey.KeysManage) {
		return nil, fmt.Errorf("admin: NewAPI: the catalog has no %q, which every call needs; add that entry",
			apikey.KeysManage)
	}
	a := &api{auth: auth, authorize: authorize}
	if opts != nil {
		a.opts = *opts
	}
	if a.opts.Logger == nil {
		a.opts.Logger = slog.Default()
	}
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, &problem{
			Status: http.StatusForbidden,
			Detail: "Requests that change something are refused when another site's page makes them.",
		})
	}))
	router := a.routes()
	return struct {
		http.Handler
		routes
	}{protection.Handler(router), router}, nil
}

// routes lets those who walk the host's router see the routes here too. It has a
// name because a field called Routes would hide the method.
type routes interface{ chi.Routes }

func hasEntry(c apikey.Catalog, p apikey.Permission) bool {
	return slices.ContainsFunc(c, func(e apikey.Entry) bool { return e.Permission == p })
}

func (a *api) routes() chi.Router {
	r := chi.NewRouter()
	// Also in front of paths that do not exist: those who may not ask learn nothing.
	r.Use(a.require(apikey.KeysManage))
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, &problem{Status: http.StatusNotFound, Detail: "There is nothing at this path."})
	})
	r.MethodNotAllowed(methodNotAllowed(r))
	get := func(pattern string, h http.HandlerFunc) { r.Get(pattern, h); r.Head(pattern, h) }
	get("/", a.list)
	r.Post("/", a.create)
	get("/permissions", a.permissions)
	get("/{id}", a.get)
	r.Patch("/{id}", a.patch)
	r.Delete("/{id}", a.delete)
	r.Post("/{id}/rotate", a.rotate)
	r.Post("/{id}/revoke", a.revoke)
	return r
}

// require returns middleware that serves only those whom the Authorizer lets
// pass, as the actor that it names.
func (a *api) require(need apikey.Permission) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return &guard{a.authorize, need, next}
	}
}

type guard struct {
	authorize Authorizer
	need      apikey.Permission
	next      http.Handler
}

// Need returns what the guard asks for. It is exported for apikeytest.Routes.
func (g *guard) Need() apikey.Need { return apikey.AllOf(g.need) }

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	actor, authorized, err := g.authorize(w, r, g.need)
	if err != nil {
		writeRefusal(w, r, err)
		return
	}
	if authorized != nil {
		r = authorized
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	g.next.ServeHTTP(w, r.WithContext(apikey.WithActor(r.Context(), actor)))
}

func writeRefusal(w http.ResponseWriter, r *http.Request, err error) {
	if refusal, ok := errors.AsType[*apikey.Error](err); ok {
		apikey.ProblemErrors(w, r, refusal)
		return
	}
	writeProblem(w, &problem{Status: http.StatusForbidden, Detail: "Not allowed."})
}

// methodNotAllowed returns the handler that answers 405 with the methods that are.
func methodNotAllowed(router chi.Routes) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		path := cmp.Or(chi.RouteContext(r.Context()).RoutePath, r.URL.EscapedPath(), "/")
		var allowed []string
		for _, method := range []string{"GET", "HEAD", "POST", "PATCH", "DELETE"} {
			if router.Match(chi.NewRouteContext(), method, path) {
				allowed = append(allowed, method)
			}
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeProblem(w, &problem{
			Status: http.StatusMethodNotAllowed,
			Detail: "Allowed here: " + strings.Join(allowed, ", ") + ".",
		})
	}
}

func (a *api) list(w http.ResponseWriter, r *http.Request) {
	query, p := parseList(r.URL.RawQuery)
	if p != nil {
		writeProblem(w, p)
		return
	}
	limit := query.Limit
	query.Limit++ // one more tells whether there is another page
	keys, err := a.auth.Keys(r.Context(), query)
	if err != nil {
		a.writeError(w, err)
		return
	}
	page := struct {
		Keys []keyJSON `json:"keys"`
		Next string    `json:"next,omitempty"`
	}{Keys: []keyJSON{}}
	if len(keys) > limit {
		keys = keys[:limit]
		page.Next = cursorOf(keys[limit-1].ID)
	}
	for _, key := range keys {
		page.Keys = append(page.Keys, newKeyJSON(key))
	}
	a.writeJSON(w, http.StatusOK, page)
}

func (a *api) create(w http.ResponseWriter, r *http.Request) {
	f := readFields(w, r, required, "application/json")
	var spec apikey.KeySpec
	f.spec(&spec)
	text, custom := f.customKey()
	if p := f.problem(); p != nil {
		writeProblem(w, p)
		return
	}
	var (
		made issued
		err  error
	)
	if custom {
		made.key, err = a.auth.IssueCustom(r.Context(), spec, text)
	} else {
		made.key, made.secret, err = a.auth.Issue(r.Context(), spec)
	}
	if err != nil {
		a.writeError(w, err)
		return
	}
	w.Header().Set("Location", strings.TrimRight(a.basePath(r), "/")+"/"+url.PathEscape(made.key.ID))
	a.writeIssued(w, made, http.StatusCreated)
}

// basePath returns the path of the collection as the client sees it, for a
// request to the collection.
func (a *api) basePath(r *http.Request) string {
	if a.opts.BasePath != "" {
		return strings.TrimRight(a.opts.BasePath, "/")
	}
	path := r.URL.EscapedPath()
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		path = u.EscapedPath() // what routers in front have not cut a prefix from
	}
	// One slash at the start: two would name a host.
	return "/" + strings.Trim(path, "/")
}

func (a *api) permissions(w http.ResponseWriter, _ *http.Request) {
	a.writeJSON(w, http.StatusOK, struct {
		Permissions apikey.Catalog `json:"permissions"`
	}{a.auth.Catalog()})
}

func (a *api) get(w http.ResponseWriter, r *http.Request) {
	a.answerKey(w, func(ctx context.Context) (*apikey.Key, error) { return a.auth.Key(ctx, idOf(r)) }, r)
}

func (a *api) revoke(w http.ResponseWriter, r *http.Request) {
	f := readFields(w, r, optional, "application/json")
	if p := f.problem(); p != nil {
		writeProblem(w, p)
		return
	}
	if !a.unchanged(w, r) {
		return
	}
	a.answerKey(w, func(ctx context.Context) (*apikey.Key, error) { return a.auth.Revoke(ctx, idOf(r)) }, r)
}

func (a *api) answerKey(w http.ResponseWriter, call func(context.Context) (*apikey.Key, error), r *http.Request) {
	key, err := call(r.Context())
	if err != nil {
		a.writeError(w, err)
		return
	}
	w.Header().Set("ETag", etagOf(key))
	a.writeJSON(w, http.StatusOK, newKeyJSON(key))
}

func (a *api) patch(w http.ResponseWriter, r *http.Request) {
	f := readFields(w, r, required, "application/merge-patch+json", "application/json")
	key, err := a.auth.Key(r.Context(), idOf(r))
	if err != nil {
		a.writeError(w, err)
		return
	}
	if p := checkIfMatch(r.Header["If-Match"], key); p != nil {
		writeProblem(w, p)
		return
	}
	spec := key.Spec()
	f.readOnly()
	f.spec(&spec)
	if p := f.problem(); p != nil {
		writeProblem(w, p)
		return
	}
	a.answerKey(w, func(ctx context.Context) (*apikey.Key, error) {
		return a.auth.Update(ctx, key.ID, key.Version, spec)
	}, r)
}

func (a *api) rotate(w http.ResponseWriter, r *http.Request) {
	f := readFields(w, r, required, "application/json")
	overlap := f.overlap()
	text, custom := f.customKey()
	if p := f.problem(); p != nil {
		writeProblem(w, p)
		return
	}
	if !a.unchanged(w, r) {
		return
	}
	var (
		made issued
		err  error
	)
	if custom {
		made.key, err = a.auth.RotateCustom(r.Context(), idOf(r), overlap, text)
	} else {
		made.key, made.secret, err = a.auth.Rotate(r.Context(), idOf(r), overlap)
	}
	if err != nil {
		a.writeError(w, err)
		return
	}
	a.writeIssued(w, made, http.StatusOK)
}

func (a *api) delete(w http.ResponseWriter, r *http.Request) {
	if !a.unchanged(w, r) {
		return
	}
	if err := a.auth.Delete(r.Context(), idOf(r)); err != nil {
		a.writeError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// idOf returns the key's ID in the path. chi matches the escaped path where there
// is one, and hands out its escaped parts.
func idOf(r *http.Request) string {
	id := chi.URLParam(r, "id")
	if r.URL.RawPath == "" {
		return id
	}
	plain, err := url.PathUnescape(id)
	if err != nil {
		return id
	}
	return plain
}
