package admin

import (
	"cmp"
	"html/template"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/seed-be062aaa/apikey"
)

// page serves the administration page over one Authority.
type page struct {
	office
	assets    assets
	files     struct{ style, script, icon string } // the assets' paths
	templates map[string]*template.Template
	groups    []permissionGroup
	log       bool // there is a log to link to
}

// NewPage returns the page on which people manage auth's keys, and PREFIX/logs, on
// which they read its access log. The keys need [apikey.KeysManage] and the log
// [apikey.LogsView]; its tab is shown to actors whose Permissions have that.
//
// It works under any prefix, with and without a slash at its end, and without
// JavaScript. A generated key is shown once, in the answer to the form that made
// it. Forms carry the version of the key that they show, so that nobody overwrites
// what they have not seen. It asks no other host for anything, and its style sheet
// and script are served to everybody. Further promises and errors are those of
// [NewAPI].
//
// Whether a browser asks for a password is the authorizer's choice: [ByKey] makes
// it ask for user "api" and a key, before anything else is answered.
func NewPage(auth *apikey.Authority, authorize Authorizer, opts *Options) (http.Handler, error) {
	o, err := newOffice("NewPage", auth, authorize, opts)
	if err != nil {
		return nil, err
	}
	p := &page{office: o, groups: groupPermissions(auth.Catalog()), log: o.logs && o.keepsLog()}
	if p.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	p.files.style, p.files.script = p.assets.named("style.css"), p.assets.named("page.js")
	p.files.icon = p.assets.named("icon.svg")
	if p.templates, err = parseTemplates(); err != nil {
		return nil, err
	}
	router := p.routes()
	served := p.assets.before(auth.Record()(routed(router)))
	return walkable{unlogged(withPageHeaders(p.located(protected(served, p.refuseCrossSite)))), router}, nil
}

func (p *page) routes() chi.Router {
	root := chi.NewRouter()
	root.Group(func(r chi.Router) {
		// Also in front of paths that do not exist: those who may not ask learn nothing.
		r.Use(p.require(apikey.KeysManage, p.refuse))
		r.NotFound(p.notFound)
		r.MethodNotAllowed(p.methodNotAllowed(r))
		getOrHead(r, "/", p.list)
		getOrHead(r, "/new", p.newKey)
		r.Post("/new", p.createKey)
		getOrHead(r, "/keys/{id}", p.showKey)
		r.Post("/keys/{id}", p.saveKey)
		r.Post("/keys/{id}/state", p.switchKey)
		getOrHead(r, "/keys/{id}/rotate", p.askRotate)
		r.Post("/keys/{id}/rotate", p.rotateKey)
		for _, e := range endings {
			getOrHead(r, "/keys/{id}/"+e.Name, p.askEnd(e))
			r.Post("/keys/{id}/"+e.Name, p.end(e))
		}
	})
	if p.logs {
		root.Route("/logs", func(r chi.Router) {
			r.Use(p.require(apikey.LogsView, p.refuse))
			r.NotFound(p.notFound)
			r.MethodNotAllowed(p.methodNotAllowed(r))
			getOrHead(r, "/", p.accessLog)
			getOrHead(r, "/{id}", p.logEntry)
		})
	}
	return root
}

// referrerPolicy tells no other host where a link was followed. With "no-referrer"
// browsers would also send "Origin: null" with forms, and over plain HTTP, where
// they send no Sec-Fetch-Site, nothing would be left to tell our own from others'.
const referrerPolicy = "same-origin"

// pagePolicy lets a page load what this handler serves, send forms to it, and be
// shown in no frame.
const pagePolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func withPageHeaders(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", pagePolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		header.Set("Referrer-Policy", referrerPolicy)
		h.ServeHTTP(w, r.WithContext(forBrowsers(r.Context())))
	})
}

// refuse answers a request that the Authorizer has refused.
func (p *page) refuse(w http.ResponseWriter, r *http.Request, err error) {
	m := message{Status: http.StatusForbidden, Text: "You are not allowed to do this."}
	if refusal, ok := asRefusal(err); ok {
		refusal.SetHeaders(w.Header())
		about := apikey.NewError(refusal.Reason) // says what the Authorizer has not
		m.Status, m.Text = cmp.Or(refusal.Status, about.Status), cmp.Or(refusal.Detail, about.Detail)
	}
	m.LogsToo = m.Status == http.StatusForbidden && p.log && !strings.HasPrefix(placeOf(r.Context()).path, "/logs")
	p.say(w, r, m)
}

func (p *page) refuseCrossSite(w http.ResponseWriter, r *http.Request) {
	p.say(w, r, message{Status: http.StatusForbidden, Text: crossSite})
}

func (p *page) notFound(w http.ResponseWriter, r *http.Request) {
	p.say(w, r, message{Status: http.StatusNotFound, Text: "There is nothing at this address.", Back: true})
}

func (p *page) methodNotAllowed(router chi.Routes) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allowedMethods(router, r))
		p.say(w, r, message{Status: http.StatusMethodNotAllowed, Text: "This address does not take that.", Back: true})
	}
}
