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
	for _, s := range a.sources {
		name := s.headerName()
		if name == "" {
			continue
		}
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
	if query := a.cutQuery(next.URL.RawQuery); len(query) < len(next.URL.RawQuery) {
		u := *next.URL
		u.RawQuery = query
		next.URL = &u
	}
	// An outer handler may have rewritten the URL, so this is not derived from it.
	if target, query, ok := strings.Cut(next.RequestURI, "?"); ok {
		if cut := a.cutQuery(query); len(cut) < len(query) {
			if next.RequestURI = target; cut != "" {
				next.RequestURI += "?" + cut
			}
		}
	}
}

// cutQuery cuts the pairs of all sources in the query.
func (a *Authority) cutQuery(text string) string {
	for _, s := range a.sources {
		if s.kind == sourceQuery {
			text = cutPairs(text, s.name)
		}
	}
	return text
}

// scrubBody cuts the credential out of the body, in place.
func (a *Authority) scrubBody(next *http.Request, body *searchedBody) {
	before := len(body.data)
	switch {
	case body.pairs.end > 0:
		body.data = a.cutForm(body.data, body.pairs)
	case body.member.found:
		body.data = slices.Delete(body.data, body.member.cutStart, body.member.cutEnd)
	}
	after := len(body.data)
	body.putBack(next)
	if after == before {
		return
	}
	next.GetBody = nil
	if next.ContentLength < 0 {
		return
	}
	next.ContentLength = int64(after)
	if _, ok := next.Header["Content-Length"]; ok {
		next.Header = maps.Clone(next.Header)
		next.Header["Content-Length"] = []string{strconv.Itoa(after)}
	}
}

// cutForm cuts the pairs of all form sources, which are in that stretch of data, and
// moves what is behind them.
func (a *Authority) cutForm(data []byte, pairs stretch) []byte {
	end := min(pairs.end+1, len(data)) // with the "&" behind the last one
	kept := data[:end]
	for _, s := range a.sources {
		if s.kind == sourceForm {
			start := min(pairs.start, len(kept))
			kept = appendUncut(kept[:start], asString(kept[start:]), s.name)
		}
	}
	kept = append(kept, data[end:]...)
	clear(data[len(kept):])
	return kept
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
