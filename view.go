package apikey

import (
	"errors"
	"slices"
	"strings"
)

// Overrides are what a group of routes may do in its own way.
type Overrides struct {
	Sources []Source     // nil: as before
	Errors  ErrorHandler // nil: as before
	Realm   string       // empty: as before
	// EndWithKey is for requests that last, such as server-sent events and
	// WebSockets: their context ends as soon as a new request with the same key
	// would be refused, because the key was revoked, disabled or deleted, has
	// expired, has another text or lacks what Require asks for now, or because the
	// store has failed for so long. [context.Cause] is the [*Error]. It happens
	// within the bounds that [CacheOptions] states, with the store out of reach a
	// quarter of TTL later, and where the store has no feed, or Cache.Off is set,
	// within TTL. While the request lasts its key counts as used. Require and its
	// like do this, and Check does not. False: as before.
	//
	// It costs a goroutine for each such request. The handler still has to heed its
	// context; what it has taken over by [http.Hijacker] nobody closes for it.
	EndWithKey bool
}

// With returns a view of the same Authority that differs in what o sets: where it takes
// keys from, how it answers refusals, the realm, and whether requests end with their
// key. It panics where the sources or the realm are not legal, as a bad pattern does in
// net/http: call it at start-up.
func (a *Authority) With(o Overrides) *Authority {
	sources, handler, realm := a.sources, a.errors, a.realm
	if o.Sources != nil {
		sources = slices.Clone(o.Sources)
	}
	if o.Errors != nil {
		handler = o.Errors
	}
	setDefault(&o.Realm, realm)
	if err := errors.Join(validateSources(sources), validateRealm(o.Realm)); err != nil {
		panic(err.Error())
	}
	view := a.view(sources, handler, o.Realm)
	if view.endWithKey = a.endWithKey || o.EndWithKey; view.endWithKey {
		a.follows.Store(true)
	}
	return view
}

// view returns an Authority of its own that shares all that is expensive.
func (c *core) view(sources []Source, handler ErrorHandler, realm string) *Authority {
	a := &Authority{core: c, sources: sources, errors: handler, realm: realm, waysIn: waysIn(sources)}
	a.challenges, a.httpAuth = challenges(sources, realm)
	for _, f := range plainFailures {
		e := a.newError(f)
		e.rendered = render(e)
		a.refusals = append(a.refusals, e)
	}
	var names []string
	for _, s := range sources {
		a.places = append(a.places, place{s, []Source{s}})
		if name := s.headerName(); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	a.vary = strings.Join(names, ", ")
	return a
}
