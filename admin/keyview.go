package admin

import (
	"cmp"
	"net/url"
	"slices"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// A keyState is what a key is good for, in a word.
type keyState string

const (
	stateActive   keyState = "active"
	stateDisabled keyState = "disabled"
	stateExpired  keyState = "expired"
	stateRevoked  keyState = "revoked"
)

// stateOf names the one that lasts longest of the states that apply.
func stateOf(key *apikey.Key, now time.Time) keyState {
	switch {
	case !key.RevokedAt.IsZero():
		return stateRevoked
	case !key.ExpiresAt.IsZero() && !now.Before(key.ExpiresAt):
		return stateExpired
	case key.Disabled:
		return stateDisabled
	}
	return stateActive
}

// A keyView is a key as pages show it.
type keyView struct {
	*apikey.Key
	Path   string // of its page, from the prefix on
	State  keyState
	Labels []permissionLabel
	More   int // permissions beyond those in Labels
	Texts  []textView
}

// A permissionLabel names a permission that a key holds.
type permissionLabel struct {
	Text string
	Full bool // it is full control
}

// A textView is what can be told of one of the texts that open a key.
type textView struct {
	Hint    string // the last characters; empty: somebody chose the text
	Weak    bool
	Expires time.Time
}

const maxLabels = 3

// keyPath returns the path of a key's page, from the prefix on.
func keyPath(id string) string { return "keys/" + url.PathEscape(id) }

func (p *page) newKeyView(key *apikey.Key, now time.Time) keyView {
	v := keyView{Key: key, Path: keyPath(key.ID), State: stateOf(key, now)}
	catalog := p.auth.Catalog()
	for _, held := range key.Permissions {
		label := permissionLabel{Text: string(held)}
		if i := slices.IndexFunc(catalog, func(e apikey.Entry) bool { return e.Permission == held }); i >= 0 {
			label = permissionLabel{cmp.Or(catalog[i].Label, label.Text), catalog[i].Full}
		}
		v.Labels = append(v.Labels, label)
	}
	if len(v.Labels) > maxLabels+1 {
		v.More = len(v.Labels) - maxLabels
		v.Labels = v.Labels[:maxLabels]
	}
	for _, c := range key.Credentials {
		if c.ExpiresAt.IsZero() || now.Before(c.ExpiresAt) {
			v.Texts = append(v.Texts, textView{c.Hint, c.Weak, c.ExpiresAt})
		}
	}
	return v
}
