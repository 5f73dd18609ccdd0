package admin

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/seed-be062aaa/apikey"
)

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
		a.writeError(w, r, err)
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
	a.writeJSON(w, r, http.StatusOK, page)
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
	made, err := a.issue(r.Context(), spec, text, custom)
	if err != nil {
		a.writeError(w, r, err)
		return
	}
	w.Header().Set("Location", a.collection(r)+"/"+url.PathEscape(made.key.ID))
	a.writeIssued(w, r, made, http.StatusCreated)
}

// collection returns the path of the collection as the client sees it, without a
// slash at its end, for a request to the collection.
func (a *api) collection(r *http.Request) string {
	path := a.base
	if path == "" {
		path = clientPath(r)
	}
	if path = strings.Trim(path, "/"); path == "" {
		return ""
	}
	return "/" + path // one slash: two would name a host
}

func (a *api) permissions(w http.ResponseWriter, r *http.Request) {
	a.writeJSON(w, r, http.StatusOK, struct {
		Permissions apikey.Catalog `json:"permissions"`
	}{a.auth.Catalog()})
}

func (a *api) get(w http.ResponseWriter, r *http.Request) {
	key, err := a.auth.Key(r.Context(), idOf(r))
	a.answerKey(w, r, key, err)
}

func (a *api) revoke(w http.ResponseWriter, r *http.Request) {
	f := readFields(w, r, optional, "application/json")
	if p := f.problem(); p != nil {
		writeProblem(w, p)
		return
	}
	only, ok := a.unchanged(w, r)
	if !ok {
		return
	}
	key, err := a.auth.Revoke(r.Context(), idOf(r), only...)
	a.answerKey(w, r, key, err)
}

// answerKey answers what a call of the Authority has returned.
func (a *api) answerKey(w http.ResponseWriter, r *http.Request, key *apikey.Key, err error) {
	if err != nil {
		a.writeError(w, r, err)
		return
	}
	w.Header().Set("ETag", etagOf(key))
	a.writeJSON(w, r, http.StatusOK, newKeyJSON(key))
}

func (a *api) patch(w http.ResponseWriter, r *http.Request) {
	f := readFields(w, r, required, "application/merge-patch+json", "application/json")
	key, err := a.auth.Key(r.Context(), idOf(r))
	if err != nil {
		a.writeError(w, r, err)
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
	key, err = a.auth.Update(r.Context(), key.ID, key.Version, spec)
	a.answerKey(w, r, key, err)
}

func (a *api) rotate(w http.ResponseWriter, r *http.Request) {
	f := readFields(w, r, required, "application/json")
	overlap := f.overlap()
	text, custom := f.customKey()
	if p := f.problem(); p != nil {
		writeProblem(w, p)
		return
	}
	only, ok := a.unchanged(w, r)
	if !ok {
		return
	}
	made, err := a.reissue(r.Context(), idOf(r), overlap, text, custom, only...)
	if err != nil {
		a.writeError(w, r, err)
		return
	}
	a.writeIssued(w, r, made, http.StatusOK)
}

func (a *api) delete(w http.ResponseWriter, r *http.Request) {
	only, ok := a.unchanged(w, r)
	if !ok {
		return
	}
	if err := a.auth.Delete(r.Context(), idOf(r), only...); err != nil {
		a.writeError(w, r, err)
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
