package admin

import (
	"errors"
	"net/http"
	"time"

	"github.com/seed-be062aaa/apikey"
)

func (p *page) newKey(w http.ResponseWriter, r *http.Request) {
	p.showForm(w, r, http.StatusOK, p.newKeyForm(&apikey.Key{}))
}

func (p *page) showForm(w http.ResponseWriter, r *http.Request, status int, f *keyForm) {
	p.show(w, r, status, "form", view{Title: "Create API key", Tab: "keys", Content: f})
}

func (p *page) createKey(w http.ResponseWriter, r *http.Request) {
	form, bad := readForm(w, r)
	if bad != nil {
		p.say(w, r, *bad)
		return
	}
	none := &apikey.Key{}
	f := p.newKeyForm(none)
	f.fill(form)
	spec := f.spec(none, p.newKeyForm(none))
	if len(f.Errors) == 0 {
		made, err := p.issue(r.Context(), spec, form.Get("text"), form.Get("text") != "")
		if err == nil {
			p.showIssued(w, r, "Key created", made)
			return
		}
		p.blame(r.Context(), &f.trouble, err)
	}
	p.showForm(w, r, f.Status, f)
}

// A disclosure shows a key's new text, once.
type disclosure struct {
	Key    keyView
	Secret string // empty where its maker chose it
	Try    string // a command
	Origin string // the scheme and host in Try, which the script corrects
}

func (p *page) showIssued(w http.ResponseWriter, r *http.Request, title string, made issued) {
	d := disclosure{Key: p.newKeyView(made.key, time.Now()), Secret: made.secret.Reveal(), Origin: originOf(r)}
	d.Try = p.command(d.Secret, d.Origin)
	p.show(w, r, http.StatusOK, "secret", view{Title: title, Tab: "keys", Content: d})
}

// A keyPage is one key: what there is to know of it, and the form that changes it.
type keyPage struct {
	Key  keyView
	Form *keyForm
}

func (p *page) showKey(w http.ResponseWriter, r *http.Request) {
	key, err := p.auth.Key(r.Context(), idOf(r))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.showKeyPage(w, r, http.StatusOK, key, p.newKeyForm(key))
}

func (p *page) showKeyPage(w http.ResponseWriter, r *http.Request, status int, key *apikey.Key, f *keyForm) {
	content := keyPage{p.newKeyView(key, time.Now()), f}
	p.show(w, r, status, "key", view{Title: key.DisplayName(), Tab: "keys", Notice: notice(r), Content: content})
}

func (p *page) saveKey(w http.ResponseWriter, r *http.Request) {
	form, bad := readForm(w, r)
	if bad != nil {
		p.say(w, r, *bad)
		return
	}
	key, err := p.auth.Key(r.Context(), idOf(r))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	f, stored := p.newKeyForm(key), p.newKeyForm(key)
	f.fill(form)
	spec := f.spec(key, stored)
	if f.Version != stored.Version {
		p.showConflict(w, r, key, f)
		return
	}
	if len(f.Errors) == 0 {
		_, err = p.auth.Update(r.Context(), key.ID, key.Version, spec)
		switch {
		case err == nil:
			p.seeOther(w, r, keyPath(key.ID)+"?done=saved")
			return
		case errors.Is(err, apikey.ErrConflict):
			p.showConflict(w, r, key, f)
			return
		}
		p.blame(r.Context(), &f.trouble, err)
	}
	p.showKeyPage(w, r, f.Status, key, f)
}

const changedMeanwhile = "Somebody has changed this key since you opened this page, so nothing was saved. " +
	"What you typed is still here; where it differs, what is stored now stands beside it. " +
	"Save again to put yours in its place."

// showConflict keeps what somebody has typed who was not the first to save, and
// shows beside it what they would overwrite.
func (p *page) showConflict(w http.ResponseWriter, r *http.Request, key *apikey.Key, f *keyForm) {
	switch now, err := p.auth.Key(r.Context(), key.ID); {
	case err == nil:
		key = now
	case errors.Is(err, apikey.ErrNotFound):
		p.fail(w, r, err)
		return
	}
	stored := p.newKeyForm(key)
	f.Version, f.Groups = stored.Version, stored.Groups
	f.Alert, f.Status = changedMeanwhile, http.StatusConflict
	f.contrast(stored)
	p.showKeyPage(w, r, f.Status, key, f)
}

// switchKey enables or disables a key.
func (p *page) switchKey(w http.ResponseWriter, r *http.Request) {
	form, bad := readForm(w, r)
	if bad == nil && form.Get("to") != "enabled" && form.Get("to") != "disabled" {
		bad = &message{Status: http.StatusBadRequest, Text: "A key is enabled or disabled.", Back: true}
	}
	if bad != nil {
		p.say(w, r, *bad)
		return
	}
	id := idOf(r)
	key, err := p.auth.Key(r.Context(), id)
	if err == nil {
		spec := key.Spec()
		spec.Disabled = form.Get("to") == "disabled"
		_, err = p.auth.Update(r.Context(), id, versionOf(form), spec)
	}
	switch {
	case err == nil:
		p.seeOther(w, r, keyPath(id)+"?done="+form.Get("to"))
	case errors.Is(err, apikey.ErrConflict):
		p.say(w, r, message{Status: http.StatusConflict, Text: lookAgain, Key: keyPath(id)})
	default:
		p.fail(w, r, err)
	}
}

const lookAgain = "Somebody has changed this key since you opened the page, so nothing was done. " +
	"Look at it again first."
