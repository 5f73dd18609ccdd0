// Package admin is the administration of API keys over HTTP: a page for people
// and a JSON API for programs, each of which any server mounts under a prefix of
// its choice.
//
//	page, err := admin.NewPage(auth, admin.ByKey(auth), nil)
//	api, err := admin.NewAPI(auth, admin.ByKey(auth), nil)
//	…
//	r.Mount("/administration/api-keys", page)                                // chi
//	r.Mount("/api/api-keys", api)
//
//	mux.Handle("/api/api-keys", api)                                         // net/http:
//	mux.Handle("/api/api-keys/", api)                                        // both, or it redirects
//
// There is no open default: every handler is made with an [Authorizer], which
// says who asks and what they may do. The rules at [apikey.Actor] then keep an
// administrator from handing out more than they hold.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-be062aaa/apikey"
)

// Options are the choices of the handlers here. The zero value is the default.
type Options struct {
	// BasePath is the path, without a slash at its end, under which clients reach
	// the handler. Default: what the request line says; set it behind a proxy
	// that rewrites paths.
	BasePath string
	// Logger is told of stores that fail. Default: slog.Default().
	Logger *slog.Logger
	// Try is the command that the page shows with a new key, so that whoever made
	// it can try it: {key} stands for its text and {origin} for the scheme and
	// host by which the browser reached the page. Default:
	//
	//	curl -H 'X-ApiKey: {key}' {origin}/
	Try string
}

const defaultTry = "curl -H 'X-ApiKey: {key}' {origin}/"

// An office is what the API and the page have in common.
type office struct {
	auth      *apikey.Authority
	authorize Authorizer
	opts      Options
	base      string // Options.BasePath with a slash at its end, or empty
	// logs says that the catalog has the permission to read the access log, so
	// that somebody could.
	logs bool
}

// newOffice checks the arguments of NewAPI and NewPage.
func newOffice(name string, auth *apikey.Authority, authorize Authorizer, opts *Options) (office, error) {
	if auth == nil || authorize == nil {
		return office{}, fmt.Errorf("admin: %s needs an Authority and an Authorizer; ByKey(auth) makes one", name)
	}
	if err := auth.Managed(); err != nil {
		return office{}, fmt.Errorf("admin: %s: %w", name, err)
	}
	if !hasEntry(auth.Catalog(), apikey.KeysManage) {
		return office{}, fmt.Errorf("admin: %s: the catalog has no %q, which managing keys needs; add that entry",
			name, apikey.KeysManage)
	}
	o := office{auth: auth, authorize: authorize, logs: hasEntry(auth.Catalog(), apikey.LogsView)}
	if opts != nil {
		o.opts = *opts
	}
	if path := o.opts.BasePath; path != "" {
		if !isLocalPath(path) {
			return office{}, fmt.Errorf("admin: %s: Options.BasePath is %q; legal is a path that begins with one slash",
				name, path)
		}
		o.base = strings.TrimRight(path, "/") + "/"
	}
	if o.opts.Logger == nil {
		o.opts.Logger = slog.Default()
	}
	if o.opts.Try == "" {
		o.opts.Try = defaultTry
	}
	return o, nil
}

func hasEntry(c apikey.Catalog, p apikey.Permission) bool {
	return slices.ContainsFunc(c, func(e apikey.Entry) bool { return e.Permission == p })
}

// keepsLog reports whether auth has an access log that can be read. It asks with a
// context that is done, so that no store has to answer.
func (o *office) keepsLog() bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := o.auth.AccessLog(ctx, apikey.LogQuery{})
	return !errors.Is(err, errors.ErrUnsupported)
}

// protected refuses requests that change something and come from another site's
// pages, before anything else is known of them. Programs send no Origin.
func protected(h http.Handler, deny http.HandlerFunc) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(deny)
	return protection.Handler(h)
}

const crossSite = "Requests that change something are refused when another site's page makes them."
