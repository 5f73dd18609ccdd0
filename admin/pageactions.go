package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// overlaps are the choices for how long the text before a rotation opens the key.
var overlaps = []struct{ Value, Label string }{
	{"0s", "not at all: it is refused from now on"},
	{"1h", "for 1 hour"},
	{"24h", "for 1 day"},
	{"7d", "for 7 days"},
	{"30d", "for 30 days"},
}

// A rotation is the form that gives a key a new text.
type rotation struct {
	trouble

	Key      keyView
	Version  string
	Overlap  string
	Overlaps any
}

func (p *page) askRotate(w http.ResponseWriter, r *http.Request) {
	key, err := p.auth.Key(r.Context(), idOf(r))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.showRotation(w, r, http.StatusOK, key, &rotation{Overlap: "24h"})
}

func (p *page) showRotation(w http.ResponseWriter, r *http.Request, status int, key *apikey.Key, form *rotation) {
	form.Key, form.Overlaps = p.newKeyView(key, time.Now()), overlaps
	form.Version = strconv.FormatInt(key.Version, 10)
	p.show(w, r, status, "rotate", view{Title: "Rotate this key", Tab: "keys", Content: form})
}

func (p *page) rotateKey(w http.ResponseWriter, r *http.Request) {
	key, form, ok := p.readAction(w, r)
	if !ok {
		return
	}
	asked := &rotation{Overlap: form.Get("overlap")}
	overlap, err := parseDuration(asked.Overlap)
	if err != nil {
		asked.fail("overlap", "must be "+legalOverlap)
	} else {
		text := form.Get("text")
		made, err := p.reissue(r.Context(), key.ID, overlap, text, text != "", apikey.IfVersion(versionOf(form)))
		if err == nil {
			p.showIssued(w, r, "Key rotated", made)
			return
		}
		p.blame(r.Context(), &asked.trouble, err)
	}
	p.showRotation(w, r, asked.Status, key, asked)
}

// readAction reads the form of an action on a key, and the key. Where there is none
// of either it answers, and ok is false.
func (p *page) readAction(w http.ResponseWriter, r *http.Request) (key *apikey.Key, form url.Values, ok bool) {
	form, bad := readForm(w, r)
	if bad != nil {
		p.say(w, r, *bad)
		return nil, nil, false
	}
	key, err := p.auth.Key(r.Context(), idOf(r))
	if err != nil {
		p.fail(w, r, err)
		return nil, nil, false
	}
	return key, form, true
}

// An ending is a way to be rid of a key, which somebody has to confirm.
type ending struct {
	Name, Title, Button string
	Effects             []string
	do                  func(ctx context.Context, auth *apikey.Authority, id string, only apikey.Precondition) error
	then                func(key keyView) string // the page to go to
}

var endings = []ending{
	{
		Name: "revoke", Title: "Revoke this key?", Button: "Revoke key",
		Effects: []string{
			"Requests with it are refused from now on, for good. It cannot be enabled again.",
			"It stays in the list, and its text cannot be used for another key.",
		},
		do: func(ctx context.Context, auth *apikey.Authority, id string, only apikey.Precondition) error {
			_, err := auth.Revoke(ctx, id, only)
			return err
		},
		then: func(key keyView) string { return key.Path + "?done=revoked" },
	},
	{
		Name: "delete", Title: "Delete this key?", Button: "Delete key",
		Effects: []string{
			"Requests with it are refused from now on.",
			"It leaves the list, and its text may be used for another key. Its entries in the access log stay.",
		},
		do: func(ctx context.Context, auth *apikey.Authority, id string, only apikey.Precondition) error {
			return auth.Delete(ctx, id, only)
		},
		then: func(keyView) string { return "?done=deleted" },
	},
}

// A confirmation asks whether somebody means it.
type confirmation struct {
	ending
	trouble

	Key     keyView
	Version string
}

func (p *page) askEnd(e ending) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, err := p.auth.Key(r.Context(), idOf(r))
		if err != nil {
			p.fail(w, r, err)
			return
		}
		p.showConfirmation(w, r, http.StatusOK, key, confirmation{ending: e})
	}
}

func (p *page) showConfirmation(w http.ResponseWriter, r *http.Request, status int, key *apikey.Key, c confirmation) {
	c.Key, c.Version = p.newKeyView(key, time.Now()), strconv.FormatInt(key.Version, 10)
	p.show(w, r, status, "confirm", view{Title: c.Title, Tab: "keys", Content: c})
}

func (p *page) end(e ending) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, form, ok := p.readAction(w, r)
		if !ok {
			return
		}
		c := confirmation{ending: e}
		err := e.do(r.Context(), p.auth, key.ID, apikey.IfVersion(versionOf(form)))
		if err == nil {
			p.seeOther(w, r, e.then(p.newKeyView(key, time.Now())))
			return
		}
		p.blame(r.Context(), &c.trouble, err)
		p.showConfirmation(w, r, c.Status, key, c)
	}
}
