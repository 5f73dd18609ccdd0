package admin

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// A listing is what the list of keys shows.
type listing struct {
	Search  string
	Show    string // the filter, or empty
	Heading string // the filter's
	Why     string // somebody asks for the filter
	Keys    []keyView
	Next    string // the cursor of the next page
	First   bool   // this is the first page
	Looked  int    // how many keys a filter has looked at, where it stopped there
	Posture posture
}

func (p *page) list(w http.ResponseWriter, r *http.Request) {
	query, told := parseList(listQuery(r))
	show := r.URL.Query().Get("show")
	filter, known := checkNamed(show)
	if told == nil && show != "" && !known {
		told = &problem{Status: http.StatusBadRequest, Detail: "There is no such filter."}
	}
	if told != nil {
		p.say(w, r, message{Status: told.Status, Text: told.Detail, Back: true})
		return
	}
	now := time.Now()
	l := listing{Search: query.Search, Show: show, Heading: filter.title, Why: filter.why, First: query.After == ""}
	found, err := p.find(r.Context(), query, filter, now)
	if err == nil && l.First && show == "" && l.Search == "" {
		l.Posture, err = p.posture(r.Context(), now)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	l.Next, l.Looked = found.next, found.looked
	for _, key := range found.keys {
		l.Keys = append(l.Keys, p.newKeyView(key, now))
	}
	p.show(w, r, http.StatusOK, "keys", view{Title: "API keys", Tab: "keys", Notice: notice(r), Content: l})
}

// listQuery returns the parameters that the page shares with the API.
func listQuery(r *http.Request) string {
	shared := url.Values{}
	for _, name := range []string{"q", "cursor"} {
		if value := r.URL.Query().Get(name); value != "" {
			shared.Set(name, value)
		}
	}
	return shared.Encode()
}

// A finding is one page of keys.
type finding struct {
	keys   []*apikey.Key
	next   string // the cursor of the next page
	looked int    // how many keys a filter has looked at, where it stopped there
}

// find returns a page of the keys that the filter, if there is one, lets through.
func (p *page) find(ctx context.Context, query apikey.Query, filter check, now time.Time) (f finding, err error) {
	limit, look := query.Limit, query.Limit
	if filter.match != nil {
		look = maxLooked
	}
	query.Limit = look + 1 // one more tells whether there is another page
	keys, err := p.auth.Keys(ctx, query)
	if err != nil {
		return finding{}, err
	}
	for i, key := range keys[:min(look, len(keys))] {
		if filter.match != nil && !filter.matches(key, now) {
			continue
		}
		f.keys = append(f.keys, key)
		if len(f.keys) == limit {
			if i+1 < len(keys) {
				f.next = cursorOf(key.ID)
			}
			return f, nil
		}
	}
	if len(keys) > look {
		f.next, f.looked = cursorOf(keys[look-1].ID), look
	}
	return f, nil
}
