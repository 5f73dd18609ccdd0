package admin

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/seed-be062aaa/apikey"
)

// api serves the JSON API over one Authority.
type api struct{ office }

// NewAPI returns the JSON API over auth's keys and its access log. GET
// PREFIX/openapi.json describes it. Reading the log needs [apikey.LogsView], and
// all else [apikey.KeysManage].
//
// It works under any prefix; the empty path and "/" are the collection. Unsafe
// requests from another site's pages are refused. Every other request makes an entry
// in auth's access log, of which no body is kept. The log can be read where the catalog
// has logs:view. NewAPI returns an error where auth's store cannot manage keys, authorize
// is nil, or the catalog has no keys:manage.
func NewAPI(auth *apikey.Authority, authorize Authorizer, opts *Options) (http.Handler, error) {
	o, err := newOffice("NewAPI", auth, authorize, opts)
	if err != nil {
		return nil, err
	}
	a := &api{o}
	router := a.routes()
	served := a.located(auth.Record()(routed(router)))
	return walkable{unlogged(protected(served, refuseCrossSite)), router}, nil
}

// walkable lets those who walk the host's router see the routes here too.
type walkable struct {
	http.Handler
	routes
}

// routes has a name because a field called Routes would hide the method.
type routes interface{ chi.Routes }

func refuseCrossSite(w http.ResponseWriter, _ *http.Request) {
	writeProblem(w, &problem{Status: http.StatusForbidden, Detail: crossSite})
}

func (a *api) routes() chi.Router {
	root := chi.NewRouter()
	root.Group(func(r chi.Router) {
		// Also in front of paths that do not exist: those who may not ask learn nothing.
		r.Use(a.require(apikey.KeysManage, writeRefusal))
		r.NotFound(notFound)
		r.MethodNotAllowed(methodNotAllowed(r))
		getOrHead(r, "/", a.list)
		r.Post("/", a.create)
		getOrHead(r, "/permissions", a.permissions)
		getOrHead(r, "/openapi.json", a.openAPI)
		getOrHead(r, "/{id}", a.get)
		r.Patch("/{id}", a.patch)
		r.Delete("/{id}", a.delete)
		r.Post("/{id}/rotate", a.rotate)
		r.Post("/{id}/revoke", a.revoke)
	})
	if a.logs {
		root.Route("/access-logs", func(r chi.Router) {
			r.Use(a.require(apikey.LogsView, writeRefusal))
			r.NotFound(notFound)
			r.MethodNotAllowed(methodNotAllowed(r))
			getOrHead(r, "/", a.accessLogs)
		})
	}
	return root
}

func getOrHead(r chi.Router, pattern string, h http.HandlerFunc) {
	r.Get(pattern, h)
	r.Head(pattern, h)
}

func writeRefusal(w http.ResponseWriter, r *http.Request, err error) {
	if refusal, ok := asRefusal(err); ok {
		apikey.ProblemErrors(w, r, refusal)
		return
	}
	writeProblem(w, &problem{Status: http.StatusForbidden, Detail: "Not allowed."})
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	writeProblem(w, &problem{Status: http.StatusNotFound, Detail: "There is nothing at this path."})
}

// methodNotAllowed returns the handler that answers 405 with the methods that the
// path has.
func methodNotAllowed(router chi.Routes) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		allowed := allowedMethods(router, r)
		w.Header().Set("Allow", allowed)
		writeProblem(w, &problem{Status: http.StatusMethodNotAllowed, Detail: "Allowed here: " + allowed + "."})
	}
}

func allowedMethods(router chi.Routes, r *http.Request) string {
	path := chi.RouteContext(r.Context()).RoutePath // what is left of it for this router
	var allowed []string
	for _, method := range []string{"GET", "HEAD", "POST", "PATCH", "DELETE"} {
		if router.Match(chi.NewRouteContext(), method, path) {
			allowed = append(allowed, method)
		}
	}
	return strings.Join(allowed, ", ")
}
