package admin

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/seed-be062aaa/apikey"
)

// A place is where a request goes, as seen from the handler that is mounted
// somewhere.
type place struct {
	// path is the part of the path behind the prefix, escaped, as chi wants it.
	path string
	// base leads from the request's path back to the prefix, a slash at its end.
	// It is relative unless Options.BasePath says otherwise: so it is right
	// whatever a proxy has cut from the path.
	base string
}

type placeKey struct{}

func placeOf(ctx context.Context) place {
	p, _ := ctx.Value(placeKey{}).(place)
	return p
}

// unlogged keeps bodies out of the access logs of whatever guards a host has put in
// front: there are secrets in them.
func unlogged(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		apikey.OmitBodies(r.Context())
		h.ServeHTTP(w, r)
	})
}

// located finds out where requests go, and tells h in their context.
func (o *office) located(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := place{path: pathWithin(r), base: o.base}
		if p.base == "" {
			p.base = wayBack(r, p.path)
		}
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), placeKey{}, p)))
	})
}

// routed serves located requests by the router, whoever routed them before.
func routed(router chi.Router) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		routes := chi.RouteContext(r.Context())
		if routes == nil {
			routes = chi.NewRouteContext()
			routes.Routes = router
			r = r.WithContext(context.WithValue(r.Context(), chi.RouteCtxKey, routes))
		}
		routes.RoutePath = placeOf(r.Context()).path
		router.ServeHTTP(w, r)
	})
}

// pathWithin returns what is left of the path behind the prefix of the pattern by
// which chi or net/http has routed the request here, "/" where nothing is.
func pathWithin(r *http.Request) string {
	path := r.URL.Path
	if r.URL.RawPath != "" {
		path = r.URL.EscapedPath() // as chi does
	}
	switch routes := chi.RouteContext(r.Context()); {
	case routes != nil && routes.RoutePath != "":
		path = routes.RoutePath
	case routes != nil && len(routes.RoutePatterns) > 0:
		path = chi.URLParamFromCtx(r.Context(), "*") // Handle, and not Mount
	default:
		prefix := patternPrefix(r.Pattern)
		if cut := strings.TrimSuffix(clientPath(r), r.URL.EscapedPath()); !endsWith(cut, prefix) {
			path = cutSegments(path, len(prefix)) // nobody has stripped it
		}
	}
	return "/" + strings.TrimPrefix(path, "/")
}

// patternPrefix returns the segments that a pattern of net/http has before the
// part that matches all the rest.
func patternPrefix(pattern string) []string {
	slash := strings.IndexByte(pattern, '/')
	if slash < 0 {
		return nil
	}
	segments := segmentsOf(strings.TrimSuffix(pattern[slash:], "{$}"))
	if n := len(segments) - 1; n >= 0 && strings.HasSuffix(segments[n], "...}") {
		return segments[:n]
	}
	return segments
}

func segmentsOf(path string) []string {
	if path = strings.Trim(path, "/"); path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// endsWith reports whether a path ends with the segments of a pattern.
func endsWith(path string, pattern []string) bool {
	segments := segmentsOf(path)
	if len(segments) < len(pattern) {
		return false
	}
	for i, segment := range segments[len(segments)-len(pattern):] {
		if segment != pattern[i] && !strings.HasPrefix(pattern[i], "{") {
			return false
		}
	}
	return true
}

// cutSegments returns the path without its first n segments.
func cutSegments(path string, n int) string {
	for ; n > 0; n-- {
		_, path, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	}
	return path
}

// clientPath returns the path in the request line, which routers in front leave as
// it is.
func clientPath(r *http.Request) string {
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		return u.EscapedPath()
	}
	return r.URL.EscapedPath()
}

// wayBack returns the relative reference that leads from the request's path to the
// prefix.
func wayBack(r *http.Request, within string) string {
	if depth := strings.Count(within, "/") - 1; depth > 0 {
		return strings.Repeat("../", depth)
	}
	path := clientPath(r)
	last := path[strings.LastIndexByte(path, '/')+1:]
	if within != "/" || last == "" {
		return "./"
	}
	return "./" + last + "/" // the prefix without a slash at its end
}

// isLocalPath reports whether a reference is a path of this host: two slashes
// would name another.
func isLocalPath(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") && !strings.Contains(path, `\`)
}
