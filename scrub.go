package apikey

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// scrub returns a request for the handler from which the places that the sources
// name are gone, and all else is as it was. Nothing that r leads to is changed;
// values of untouched headers are shared with it.
func (a *Authority) scrub(ctx context.Context, r *http.Request, found *presented) *http.Request {
	next := r.WithContext(ctx)
	a.scrubHeader(next)
	a.scrubQuery(next)
	if found.body != nil {
		a.scrubBody(next, found.body)
	}
	if r.Form != nil {
		a.scrubForm(next, found.body != nil)
	}
	return next
}

func (a *Authority) scrubHeader(next *http.Request) {
	cloned := false
	for _, s := range a.headers {
		name := s.headerName()
		lines, ok := next.Header[name]
		if !ok {
			continue
		}
		if !cloned {
			next.Header, cloned = maps.Clone(next.Header), true
		}
		if lines = s.foreign(lines); len(lines) > 0 {
			next.Header[name] = lines
		} else {
			delete(next.Header, name)
		}
	}
}

// foreign returns those lines of the source's header that are not credentials of
// its own, but of another scheme or user.
func (s Source) foreign(lines []string) []string {
	if s.kind == sourceHeader {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		text, f := s.parseAuthorization(line)
		return text != "" || f != nil
	})
}

func (a *Authority) scrubQuery(next *http.Request) {
	if query := a.cutNamed(sourceQuery, next.URL.RawQuery); len(query) < len(next.URL.RawQuery) {
		u := *next.URL
		u.RawQuery = query
		next.URL = &u
	}
	// An outer handler may have rewritten the URL, so this is not derived from it.
	if target, query, ok := strings.Cut(next.RequestURI, "?"); ok {
		if cut := a.cutNamed(sourceQuery, query); len(cut) < len(query) {
			next.RequestURI = strings.TrimSuffix(target+"?"+cut, "?")
		}
	}
}

// cutNamed cuts the pairs of all sources of that kind.
func (a *Authority) cutNamed(kind sourceKind, text string) string {
	for _, s := range a.sources {
		if s.kind == kind {
			text = cutPairs(text, s.name)
		}
	}
	return text
}

func (a *Authority) scrubBody(next *http.Request, body *searchedBody) {
	if body.spent() {
		return
	}
	before := len(body.data)
	if body.source.kind == sourceJSON {
		if body.member.found {
			body.data = slices.Delete(body.data, body.member.cutStart, body.member.cutEnd)
		}
	} else if cut := a.cutNamed(sourceForm, asString(body.data)); len(cut) < before {
		body.data = []byte(cut)
	}
	next.Body = body.reader(next.Body)
	if len(body.data) == before {
		return
	}
	next.GetBody = nil
	if next.ContentLength < 0 {
		return
	}
	next.ContentLength = int64(len(body.data))
	if _, ok := next.Header["Content-Length"]; ok {
		next.Header = maps.Clone(next.Header)
		next.Header["Content-Length"] = []string{strconv.Itoa(len(body.data))}
	}
}

// scrubForm mends what an earlier ParseForm left: PostForm, and Form, which
// holds the values of the body and behind them those of the query. In a body that
// was not searched, a pair of the key's name is data.
func (a *Authority) scrubForm(next *http.Request, searched bool) {
	next.Form, next.PostForm = maps.Clone(next.Form), maps.Clone(next.PostForm)
	query, _ := url.ParseQuery(next.URL.RawQuery) // what the handler would make of it
	for _, s := range a.sources {
		switch {
		case s.kind == sourceForm && searched:
			delete(next.PostForm, s.name)
		case s.kind == sourceQuery:
		default:
			continue
		}
		next.Form[s.name] = slices.Concat(next.PostForm[s.name], query[s.name])
		if len(next.Form[s.name]) == 0 {
			delete(next.Form, s.name)
		}
	}
}
