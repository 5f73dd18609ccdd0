package apikey

import (
	"context"
	"net/http"
	"slices"
)

// Require returns middleware that serves only requests whose key holds all of
// perms, and answers others as [Options].Errors says. The handler gets a copy of the
// request that carries the key, see [FromContext], and not its text, unless
// [Options].KeepCredential is set. It panics where perms is empty or names what the
// catalog does not have, as a bad pattern does in net/http: what a route needs is
// declared at start-up, and a declaration that nobody could meet is a mistake.
//
// Nested inside another Require of the same Authority, it looks for no key again:
// it judges the one that the outer found, and refuses it if it came from a source
// that the inner one does not have. What stands in places that only the inner one
// knows is neither compared nor scrubbed. Another Authority's key it neither sees
// nor needs.
//
// Middleware that answers CORS preflights goes outside, as they carry no key.
func (a *Authority) Require(perms ...Permission) func(http.Handler) http.Handler {
	return a.require("Require", AllOf(perms...))
}

// RequireAny is [Authority.Require] for requests whose key holds at least one of
// perms.
func (a *Authority) RequireAny(perms ...Permission) func(http.Handler) http.Handler {
	return a.require("RequireAny", AnyOf(perms...))
}

// RequireKey is [Authority.Require] for requests with any valid key.
func (a *Authority) RequireKey() func(http.Handler) http.Handler {
	return a.require("RequireKey", AnyKey())
}

func (a *Authority) require(name string, need Need) func(http.Handler) http.Handler {
	if err := need.validate(a.opts.Catalog); err != nil {
		panic("apikey: " + name + ": " + err.Error())
	}
	return func(next http.Handler) http.Handler {
		return &guard{a, need, next}
	}
}

// A guard serves the requests that meet its need.
type guard struct {
	auth *Authority
	need Need
	next http.Handler
}

// Need returns what the guard asks for. It is exported for apikeytest.Routes,
// which finds routes that ask for nothing.
func (g *guard) Need() Need { return g.need }

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := identityOf(r.Context(), g.auth.core)
	switch {
	case id != nil && id.key == nil:
		g.serve(w, r, id, id.visit)
	case id != nil || g.auth.recorder == nil:
		g.serve(w, r, id, nil)
	default:
		v := newVisit(g.auth.core, r)
		defer v.end()
		g.serve(w, r, nil, v)
		v.returned = true
	}
}

// Record returns middleware that makes an entry of the access log for every
// request, whether or not what lies inside asks for a key. It is for handlers that
// call [Authority.Check] by themselves: Require makes its entries without. Bodies
// are kept only of what a Require inside lets through.
func (a *Authority) Record() func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if a.recorder == nil {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if identityOf(r.Context(), a.core) != nil {
				next.ServeHTTP(w, r) // an outer one does
				return
			}
			v := newVisit(a.core, r)
			defer v.end()
			id := v.newIdentity()
			*id = identity{Context: r.Context(), core: a.self, visit: v}
			v.next = r.WithContext(id)
			next.ServeHTTP(v.wrap(w), v.next)
			v.returned = true
		})
	}
}

// serve serves a request that has id already or, where that is nil or without a
// key, is about to get one. It notes in v what becomes of it, or nothing where v is
// nil.
func (g *guard) serve(w http.ResponseWriter, r *http.Request, id *identity, v *visit) {
	next, refusal := g.auth.check(w, r, &g.need, id, v)
	defer replayedFor(r, next).end(&g.auth.bodies)
	if refusal == nil && !v.admitted() {
		next, refusal = r, g.auth.refuse(failLogFull)
	}
	if refusal != nil {
		g.auth.errors(v.observe(w, refusal), next, refusal.own())
		return
	}
	if next != r && !g.auth.opts.NoCacheHeaders {
		g.auth.forbidCaching(w.Header(), v)
	}
	if g.auth.endWithKey {
		followed, stop := g.auth.follow(next, &g.need)
		defer stop()
		next = followed
	}
	w, next = v.capture(w, next)
	g.next.ServeHTTP(w, next)
}

// cacheHeaders are the values of Cache-Control and Vary.
type cacheHeaders [2]string

// forbidCaching does for X-ApiKey what RFC 9111 (section 3.5) does for
// Authorization. The handler may still set headers of its own, so that the values
// are the request's own too: part of its visit, where there is one.
func (a *Authority) forbidCaching(h http.Header, v *visit) {
	values := v.cacheHeaders()
	*values = cacheHeaders{"private, no-store", a.vary}
	h["Cache-Control"] = values[0:1:1] // whatever stood there before the key was known
	if before := h["Vary"]; a.vary != "" {
		h["Vary"] = values[1:2:2]
		if len(before) > 0 {
			h["Vary"] = append(slices.Clip(before), a.vary) // a copy: others may share it
		}
	}
}

// Check authenticates and authorizes r, without answering it. The returned
// request is never nil: on success it carries the key, see [FromContext], and is
// without the credential; on failure it is r as it came, its body not yet read.
// No field of r, nor anything r leads to, is changed, but its Body may have been
// read. w serves to set the read deadline of [Options].BodyTimeout alone and is never
// written to; if it is nil, only the size of a body is bounded. The caller sees to
// Cache-Control and Vary, as Require does by itself. Inside a Require of the same
// Authority a refusal becomes the outcome in the access log, and no body is kept: to ask
// what a key may do there is [Catalog.Grants].
//
// Where the body could not be read to its end the read deadline stays, since the server
// has to get rid of what the client goes on sending.
//
// The error is always an [*Error], which errors.AsType[*Error] reaches and whose
// Reason errors.Is tells apart.
func (a *Authority) Check(w http.ResponseWriter, r *http.Request, need Need) (*http.Request, error) {
	id := identityOf(r.Context(), a.core)
	if err := a.declared(&need); err != nil {
		refusal := a.refuse(&failure{reason: ErrUndeclared, cause: err})
		if id != nil {
			id.visit.refused(refusal)
			id.visit.misplaced(r, a.sources)
		}
		return r, refusal
	}
	next, refusal := a.check(w, r, &need, id, nil)
	if refusal != nil {
		return next, refusal
	}
	return next, nil
}

// declared reports a need that the catalog does not know. Most hosts make a need once
// and check it with each request, so that the last one that was known is remembered,
// by its permissions, which nobody changes.
func (a *Authority) declared(need *Need) error {
	if len(need.perms) > 0 && a.declaredLast.Load() == &need.perms[0] {
		return nil
	}
	if err := need.validate(a.opts.Catalog); err != nil || len(need.perms) == 0 {
		return err
	}
	a.declaredLast.Store(&need.perms[0])
	return nil
}

// check is Check for a need that is known to be legal, and a request that has id
// already or nil. What it finds out is noted in v, or where an outer handler
// records the request in that one's visit.
func (a *Authority) check(
	w http.ResponseWriter, r *http.Request, need *Need, id *identity, v *visit,
) (*http.Request, *Error) {
	if id != nil {
		v = id.visit
	}
	var found presented
	next, f := a.judgeRequest(w, r, need, id, v, &found)
	v.judged(a, need, &found)
	if f == nil {
		return next, nil
	}
	refusal := a.refuse(f)
	v.refused(refusal)
	if !f.reason.ofOneKey() {
		v.misplaced(r, a.sources)
		if found.body != nil {
			v.inDoubt()
		}
	}
	return next, refusal
}

// judgeRequest is check without the notes. What it finds is left in found.
func (a *Authority) judgeRequest(
	w http.ResponseWriter, r *http.Request, need *Need, id *identity, v *visit, found *presented,
) (*http.Request, *failure) {
	if a.closed.Load() {
		return r, failShutdown
	}
	if id != nil && id.key != nil {
		return a.recheck(r, id, need)
	}
	f := a.extract(w, r, found)
	if found.body != nil {
		defer a.budget.give(len(found.body.data))
	}
	if f == nil {
		f = implausible(found.text)
	}
	if f == nil {
		found.held, f = a.authenticate(r.Context(), found.text, a.moment(v, found))
	}
	if f == nil {
		f = a.authorize(found.held.key, found.held.traits.permissions, need)
	}
	if f != nil {
		return found.body.request(r), f
	}
	outer := r.Context()
	if a.follows.Load() {
		outer = context.WithValue(outer, presentedKey{&a.follows}, NewSecret(found.text))
	}
	ctx := v.newIdentity()
	*ctx = identity{outer, a.self, found.held.key, found.via, v}
	if a.opts.KeepCredential {
		next := r.WithContext(ctx)
		found.body.putBack(next)
		return next, nil
	}
	return a.scrub(ctx, r, found), nil
}

// recheck decides on a key that an outer guard has found.
func (a *Authority) recheck(r *http.Request, id *identity, need *Need) (*http.Request, *failure) {
	f := a.authorize(id.key, id.key.Permissions, need)
	if !slices.ContainsFunc(*id.via, func(s Source) bool { return contains(a.sources, s) }) {
		f = failSourceRefused
	}
	if f != nil {
		return r, f
	}
	if identityOf(r.Context(), identityKey{}) != id {
		// Another Authority's guard stands in between, and what follows this one
		// must get the key that this one judged.
		r = r.WithContext(&identity{r.Context(), id.core, id.key, id.via, id.visit})
	}
	return r, nil
}

// authorize decides on a key with those permissions, which are its own.
func (a *Authority) authorize(key *Key, permissions []Permission, need *Need) *failure {
	missing := need.unmet(a.opts.Catalog, permissions)
	if len(missing) == 0 {
		return nil
	}
	if lost := a.opts.Catalog.unknown(permissions); len(lost) > 0 {
		a.alarm.raise("a key holds permissions that the catalog does not have; they grant nothing",
			"key", key.ID, "permissions", lost)
	}
	return &failure{reason: ErrForbidden, missing: missing, detail: forbiddenDetail(need, missing)}
}

func forbiddenDetail(need *Need, missing []Permission) string {
	names := joinPermissions(missing, ", ")
	if need.kind == needAny {
		return "The API key has none of the permissions of which this action needs one: " + names + "."
	}
	return "The API key lacks what this action needs: " + names + "."
}
