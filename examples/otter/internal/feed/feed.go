// Package feed serves npm packages from memory, each at one version, by as much of npm's registry
// protocol as pinging, viewing and installing take. Nothing can be published.
//
// It knows nothing of API keys and trusts its caller, so a program must put it behind the
// permission it needs. All of it, tarballs too: npm sends its credential with everything that it
// asks of the registry's host and path.
//
// # Requests
//
//	GET /                      the packages, as an array of objects with a name
//	GET /-/ping                an empty object
//	GET /NAME                  the package's metadata, which says where its tarball is
//	GET /NAME/-/NAME-1.0.0.tgz its tarball
//
// Names may have a scope, as @scope/name or @scope%2fname. Every GET may be a HEAD. Refusals are
// JSON objects with an error.
package feed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
)

const (
	fullType        = "application/json"
	abbreviatedType = "application/vnd.npm.install-v1+json"
)

// feed is the packages by their names. It is never changed.
type feed map[string]*release

// New returns a feed of these packages, to be mounted under any path. The error names every mistake
// in them.
func New(packages ...Package) (http.Handler, error) {
	f := feed{}
	var errs []error
	for _, p := range packages {
		release, err := pack(p)
		if err == nil && f[p.Name] != nil {
			err = fmt.Errorf("feed: package %q is there twice", p.Name)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		f[p.Name] = release
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return f.routes(), nil
}

func (f feed) routes() http.Handler {
	r := chi.NewRouter()
	get := func(pattern string, h http.HandlerFunc) {
		r.Get(pattern, h)
		r.Head(pattern, h)
	}
	get("/", f.index)
	get("/-/ping", f.ping)
	for _, name := range []string{"/{name}", "/@{scope}/{name}"} {
		get(name, f.metadata)
		get(name+"/-/{file}", f.tarball)
	}
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "This feed has nothing here.")
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "This feed can only be read.")
	})
	return r
}

func (f feed) index(w http.ResponseWriter, _ *http.Request) {
	list := []manifest{}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		list = append(list, f[name].manifest)
	}
	answer(w, http.StatusOK, fullType, list)
}

func (feed) ping(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, fullType, struct{}{})
}

func (f feed) metadata(w http.ResponseWriter, r *http.Request) {
	release, name := f.find(r)
	if release == nil {
		refuse(w, http.StatusNotFound, "This feed has no package of that name.")
		return
	}
	w.Header().Add("Vary", "Accept")
	tarball := feedURL(r, name) + "/" + release.Name + "/-/" + release.fileName()
	if wantsAbbreviated(r) {
		answer(w, http.StatusOK, abbreviatedType, release.abbreviated(tarball))
		return
	}
	answer(w, http.StatusOK, fullType, release.full(tarball))
}

func (f feed) tarball(w http.ResponseWriter, r *http.Request) {
	release, _ := f.find(r)
	if release == nil || chi.URLParam(r, "file") != release.fileName() {
		refuse(w, http.StatusNotFound, "This feed has no such tarball.")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("ETag", `"`+release.shasum+`"`)
	http.ServeContent(w, r, "", published, bytes.NewReader(release.tarball))
}

// find returns the release that the path names, or nil, and the name as it stands in the path.
func (f feed) find(r *http.Request) (_ *release, name string) {
	name = chi.URLParam(r, "name")
	if scope := chi.URLParam(r, "scope"); scope != "" {
		name = "@" + scope + "/" + name
	}
	if r.URL.RawPath == "" {
		return f[name], name // chi routed by Path, which is decoded
	}
	decoded, err := url.PathUnescape(name)
	if err != nil {
		return nil, name
	}
	return f[decoded], name
}

// feedURL returns the address by which the client asked for this feed, given the rest of the path. A
// server behind a proxy that ends TLS would use a fixed one instead: npm sends its key to where the
// metadata points, also over plain HTTP.
func feedURL(r *http.Request, rest string) string {
	prefix := r.URL.EscapedPath()
	if target, err := url.ParseRequestURI(r.RequestURI); err == nil {
		prefix = target.EscapedPath() // what http.StripPrefix took off is still in here
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host + strings.TrimSuffix(prefix, "/"+rest)
}

// wantsAbbreviated reports whether the client asks for metadata in the form made for installing, as
// npm does before all others. How much it prefers that is not weighed.
func wantsAbbreviated(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			if name, params, err := mime.ParseMediaType(part); err == nil && name == abbreviatedType {
				q, err := strconv.ParseFloat(params["q"], 64)
				return err != nil || q > 0
			}
		}
	}
	return false
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, fullType, map[string]string{"error": message})
}

func answer(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "The server failed to answer.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// fileName returns the last part of the tarball's path, which has no scope.
func (r *release) fileName() string {
	return path.Base(r.Name) + "-" + r.Version + ".tgz"
}
