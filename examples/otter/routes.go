package main

import (
	"io"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/admin"
	"github.com/seed-be062aaa/apikey/examples/otter/internal/domain"
	"github.com/seed-be062aaa/apikey/examples/otter/internal/feed"
)

// newHandler returns the whole server: each route group behind the permission of
// its category.
func newHandler(auth *apikey.Authority, style apikey.ErrorHandler, d *domain.Otter) (http.Handler, error) {
	keys, err := admin.NewAPI(auth, admin.ByKey(auth), nil)
	if err != nil {
		return nil, err
	}
	// Any valid key may read the feed's index.
	page, err := admin.NewPage(auth, admin.ByKey(auth), &admin.Options{
		Try: "curl -H 'X-ApiKey: {key}' {origin}/feeds/npm/",
	})
	if err != nil {
		return nil, err
	}
	otter := auth.With(apikey.Overrides{Errors: style})

	r := chi.NewRouter()
	r.Get("/health", health)
	r.Mount("/administration/api-keys", page)
	r.Route("/api", func(r chi.Router) {
		r.Mount("/api-keys", keys)
		r.Route("/jobs", jobs(otter, d))
		r.Route("/infrastructure/{entries}", infrastructure(otter, d))
		r.Route("/variables", variables(otter, d))
		r.Route("/configuration", configuration(otter, d))
		r.Route("/json", func(r chi.Router) {
			getOrPost(r.With(otter.Require(apikey.Native)), "/{method}", d.Native)
		})
	})
	r.Route("/feeds/npm", feeds(auth, style))
	return r, nil
}

func jobs(auth *apikey.Authority, d *domain.Otter) func(chi.Router) {
	return func(r chi.Router) {
		getOrPost(r.With(auth.Require(apikey.JobsTrigger)), "/trigger", d.TriggerJob)
		view := r.With(auth.Require(apikey.JobsView))
		getOrPost(view, "/status", d.JobStatus)
		getOrPost(view, "/logs", d.JobLogs)
	}
}

// Behind infrastructure:usage there is no route: Otter has the permission, and
// documents no call that needs it.
func infrastructure(auth *apikey.Authority, d *domain.Otter) func(chi.Router) {
	return func(r chi.Router) {
		r.With(auth.Require(apikey.InfrastructureView)).Post("/list", d.ListEntries)
		update := r.With(auth.Require(apikey.InfrastructureUpdate))
		update.Post("/create/{name}", d.CreateEntry)
		update.Post("/update/{name}", d.UpdateEntry)
		update.Post("/delete/{name}", d.DeleteEntry)
	}
}

func variables(auth *apikey.Authority, d *domain.Otter) func(chi.Router) {
	return func(r chi.Router) {
		r.Use(auth.Require(apikey.Variables))
		r.Route("/scoped", func(r chi.Router) {
			r.Get("/all", d.ScopedVariables)
			postOrPut(r, "/all", d.SetScopedVariables)
			postOrPut(r, "/single", d.SetScopedVariable)
			r.Delete("/single", d.DeleteScopedVariable)
		})
		for _, scope := range []string{"/global", "/{type}/{entity}"} {
			r.Route(scope, func(r chi.Router) {
				r.Get("/", d.Variables)
				postOrPut(r, "/", d.SetVariables)
				r.Get("/{variable}", d.Variable)
				postOrPut(r, "/{variable}", d.SetVariable)
				r.Delete("/{variable}", d.DeleteVariable)
			})
		}
	}
}

func configuration(auth *apikey.Authority, d *domain.Otter) func(chi.Router) {
	return func(r chi.Router) {
		r.Use(auth.Require(apikey.Configuration))
		getOrPost(r, "/status", d.ConfigurationStatus)
		getOrPost(r, "/check", d.CheckConfiguration)
		getOrPost(r, "/remediate/status", d.RemediationStatus)
		getOrPost(r, "/remediate/{type}/{name}", d.Remediate)
		getOrPost(r, "/server/{name}", d.ServerConfiguration)
	}
}

// feeds takes keys in the ways of package clients: npm sends them as Basic or
// Bearer, ProGet's own tools in the header.
func feeds(auth *apikey.Authority, style apikey.ErrorHandler) func(chi.Router) {
	clients := auth.With(apikey.Overrides{
		Sources: []apikey.Source{apikey.FromBasic("api"), apikey.FromBearer(), apikey.FromHeader("X-ApiKey")},
		Errors:  style,
	})
	return func(r chi.Router) {
		r.Use(clients.RequireKey())
		r.Mount("/", feed.Seeded())
	}
}

func getOrPost(r chi.Router, pattern string, h http.HandlerFunc) {
	r.Get(pattern, h)
	r.Post(pattern, h)
}

func postOrPut(r chi.Router, pattern string, h http.HandlerFunc) {
	r.Post(pattern, h)
	r.Put(pattern, h)
}

func health(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "ok\n")
}
