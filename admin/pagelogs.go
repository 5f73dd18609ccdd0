package admin

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// A logPage is what the access log shows.
type logPage struct {
	Filter   map[string]string // as it was typed, by parameter
	Filtered bool
	KeyName  string            // of the key whose entries are asked for, if the reader may see it
	Errors   map[string]string // by parameter
	Outcomes []apikey.Outcome
	Entries  []entryView
	First    bool
	Newest   string // the first page, from the prefix on
	Next     string // the next page, from the prefix on, or empty
	Notes    []note
}

// An entryView is an entry as pages show it.
type entryView struct {
	*apikey.LogEntry
	Page    string // of its page, from the prefix on
	Key     string // the name of its key, or its ID
	KeyPath string // of its key's page, where the reader may see that
	Target  string // the path and query of the request
	By      string // who made a change
	ByPath  string // like KeyPath, where a key did
}

func (p *page) accessLog(w http.ResponseWriter, r *http.Request) {
	asked := logQuery(r)
	l := logPage{
		Filter: map[string]string{}, Errors: map[string]string{}, Outcomes: apikey.Outcomes(),
		First: !asked.Has("cursor"), Notes: p.logNotes(),
	}
	for _, name := range logParameters {
		l.Filter[name] = asked.Get(name)
		l.Filtered = l.Filtered || asked.Has(name) && name != "cursor"
	}
	filter, bad := parseLogFilter(asked.Encode())
	if bad == nil {
		l.showMoments(filter.query)
		bad = filter.problem()
	}
	if bad == nil {
		bad = p.readLog(r.Context(), &l, asked, filter.query)
	}
	asked.Del("cursor")
	l.Newest = logPath(asked)
	status := http.StatusOK
	if bad != nil {
		if len(bad.Errors) == 0 || l.Filter["cursor"] != "" {
			p.say(w, r, message{Status: bad.Status, Text: bad.Detail})
			return
		}
		status = bad.Status
		for _, e := range bad.Errors {
			l.Errors[e.Field] = sentenceOf(e.Detail)
		}
	}
	p.show(w, r, status, "logs", view{Title: "Access log", Tab: "logs", Content: l})
}

// showMoments writes the times of the filter as the form can show them.
func (l *logPage) showMoments(q apikey.LogQuery) {
	for name, t := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !t.IsZero() {
			l.Filter[name] = formTime(t)
		}
	}
}

// logQuery returns the parameters that the page shares with the API.
func logQuery(r *http.Request) url.Values {
	shared := url.Values{}
	for _, name := range logParameters {
		if value := r.URL.Query().Get(name); value != "" && name != "limit" {
			shared.Set(name, value)
		}
	}
	return shared
}

// logPath returns the path and query of a page of the log. A template that wrote a
// "?" before the query would take its separators for text, and escape them.
func logPath(query url.Values) string {
	if len(query) == 0 {
		return "logs"
	}
	return "logs?" + query.Encode()
}

// readLog sets the entries of the page.
func (p *page) readLog(ctx context.Context, l *logPage, asked url.Values, query apikey.LogQuery) *problem {
	entries, next, err := p.auth.AccessLog(ctx, query)
	if err != nil {
		return p.explainLog(err)
	}
	if next != "" {
		asked.Set("cursor", sealCursor(next))
		l.Next = logPath(asked)
	}
	names := p.keyNames(ctx)
	l.Entries = p.newEntryViews(entries, names)
	if name, path := names.of(query.KeyID); path != "" {
		l.KeyName = name
	}
	return nil
}

// newEntryViews returns the entries with the names of their keys.
func (p *page) newEntryViews(entries []apikey.LogEntry, names *keyNames) []entryView {
	views := make([]entryView, len(entries))
	for i := range entries {
		e := &entries[i]
		v := entryView{LogEntry: e, Page: "logs/" + url.PathEscape(e.ID), Target: e.Path}
		if e.Query != "" {
			v.Target += "?" + e.Query
		}
		v.Key, v.KeyPath = names.of(e.KeyID)
		v.By = e.Actor
		if id, ok := strings.CutPrefix(e.Actor, "key:"); ok {
			if name, path := names.of(id); path != "" {
				v.By, v.ByPath = name, path
			}
		}
		views[i] = v
	}
	return views
}

// keyNames are the names of keys, for readers who may see keys.
type keyNames struct {
	ctx   context.Context
	page  *page // nil: the reader may not
	known map[string]string
}

func (p *page) keyNames(ctx context.Context) *keyNames {
	n := &keyNames{ctx: ctx, known: map[string]string{}}
	if actor, _ := apikey.ActorFromContext(ctx); p.holds(actor, apikey.KeysManage) {
		n.page = p
	}
	return n
}

// of returns the key's name and the path of its page, or the ID where there is no
// such key, or none to see.
func (n *keyNames) of(id string) (name, path string) {
	if n.page == nil || id == "" {
		return id, ""
	}
	name, asked := n.known[id]
	if !asked {
		if key, err := n.page.auth.Key(n.ctx, id); err == nil {
			name = key.DisplayName()
		}
		n.known[id] = name
	}
	if name == "" {
		return id, ""
	}
	return name, keyPath(id)
}

func (p *page) logEntry(w http.ResponseWriter, r *http.Request) {
	query := apikey.LogQuery{ID: idOf(r), Limit: 1, Bodies: true}
	var entries []apikey.LogEntry
	for more := true; more && len(entries) == 0; more = query.Cursor != "" {
		var err error
		if entries, query.Cursor, err = p.auth.AccessLog(r.Context(), query); err != nil {
			told := p.explainLog(err)
			p.say(w, r, message{Status: told.Status, Text: told.Detail})
			return
		}
	}
	if len(entries) == 0 {
		p.say(w, r, message{Status: http.StatusNotFound, Text: "The access log does not have this entry any more."})
		return
	}
	v := p.newEntryViews(entries[:1], p.keyNames(r.Context()))[0]
	p.show(w, r, http.StatusOK, "entry", view{Title: "Access log entry", Tab: "logs", Content: v})
}
