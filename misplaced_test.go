package apikey_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-be062aaa/apikey"
)

// Keys that were presented so that the request was refused are in no text of its
// entry, though they stand in its path too.
func TestNoTextThatMayBeAKeyIsInAnEntry(t *testing.T) {
	const one, two, three = "custom-one-of-a-client", "custom-two-of-a-client", "custom-three-of-a-client"
	shape := "otter_" + strings.Repeat("0", 49)
	log := newLogged(t, apikey.Options{Log: apikey.LogOptions{
		Client: func(r *http.Request) string { return r.Header.Get("X-Client") },
	}})
	plain := log.RequireKey()(says("served"))
	forms := log.With(apikey.Overrides{Sources: []apikey.Source{apikey.FromForm("a"), apikey.FromForm("b")}}).RequireKey()(says("served"))
	feed := log.With(apikey.Overrides{Sources: []apikey.Source{
		apikey.FromHeader("X-Feed-Key"), apikey.FromQuery("feed"), apikey.FromBasic("api"), apikey.FromBearer(),
	}}).RequireKey()(says("served"))
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte("api:"+text)) }
	rows := []struct {
		name   string
		guard  http.Handler
		query  string
		header []string
		status int
	}{
		{"two pairs of a form", forms, "", []string{"Content-Type", "application/x-www-form-urlencoded"}, 400},
		{"two lines of the header", plain, "", []string{"X-ApiKey", one, "X-ApiKey", two, "X-ApiKey", three}, 400},
		{"two pairs of the query", plain, "key=" + one + "&key=" + two + "&key=" + three, nil, 400},
		{"a header and two pairs", plain, "key=" + two + "&key=" + three, []string{"X-ApiKey", one}, 400},
		{"a pair that cannot be decoded", plain, "key=%zz&a=" + two, []string{"X-ApiKey", one, "Authorization", two}, 400},
		{"three places of a view", feed, "feed=" + two, []string{"X-Feed-Key", one, "Authorization", basic(three)}, 400},
		{"Basic that is no base64", feed, "", []string{"Authorization", "Basic " + one, "X-ApiKey", two, "Authorization", "ApiKey " + three}, 401},
		{"places of others", plain, "", []string{"Authorization", basic(one), "Authorization", "Bearer " + two, "Authorization", "ApiKey " + three}, 401},
		{"the query's name in another case", plain, "Key=" + one + "&KEY=" + two, nil, 401},
		{"white space around it", plain, "key=" + url.QueryEscape(" "+one+"\t"), nil, 401},
		{"no key but another problem", log.Record()(checking(log.Authority, apikey.AllOf("nope"))), "", []string{"X-ApiKey", one, "Authorization", "Bearer " + two}, 500},
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			path, body := "/"+one, ""
			if row.name == "two pairs of a form" {
				path, body = path+"/"+two, "a="+one+"&b="+two
			}
			for _, text := range []string{two, three} {
				if strings.Contains(row.query+fmt.Sprint(row.header), text) || strings.Contains(fmt.Sprint(row.header), basic(text)) {
					path += "/" + text
				}
			}
			r := httptest.NewRequest(one, path+"?"+row.query, strings.NewReader(body))
			r.Pattern = one + " /" + shape
			r.Header.Set("X-Client", "client "+one)
			for j := 0; j < len(row.header); j += 2 {
				r.Header.Add(row.header[j], row.header[j+1])
			}
			assert.Equal(t, row.status, ask(row.guard, r).Code)
			e := log.requests(t, i+1)[i]
			assert.Regexp(t, `^(/\[redacted\])+$`, e.Path)
			assert.Equal(t, []string{"[redacted]", "client [redacted]", "/[redacted]"}, []string{e.Method, e.Client, e.Route})
			assert.NotContains(t, fmt.Sprintf("%+v", e), "-of-a-client")
		})
	}
}

// Who sends texts by the hundred is told from others by the address alone: to look
// for all of them would hold up the entries of others.
func TestOfManyTextsThatMayBeKeysNoneIsLookedFor(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	for i, n := range []int{8, 9, 10_000} {
		r := httptest.NewRequest("GET", "/a/custom-text-7/b?q=custom-text-5", nil)
		for i := range n {
			r.Header.Add("Authorization", fmt.Sprint("ApiKey custom-text-", i))
		}
		ask(log.RequireKey()(says("served")), r)
		e := log.requests(t, i+1)[i]
		assert.Equal(t, "192.0.2.1", e.Client)
		assert.Equal(t, 401, e.Status)
		assert.NotContains(t, fmt.Sprintf("%+v", e), "custom-text")
		if n == 8 {
			assert.Equal(t, "/a/[redacted]/b", e.Path)
		} else {
			assert.Empty(t, e.Path)
			assert.Equal(t, "too much that may be a key", e.Detail)
		}
	}
}

// Nor is one looked for that is longer than any credential.
func TestOfVeryLongTextsThatMayBeKeysNoneIsLookedFor(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	for i, n := range []int{4 << 10, 4<<10 + 1} {
		long := strings.Repeat("x", n)
		r := httptest.NewRequest("GET", "/a/"+long, nil)
		r.Header.Set("Authorization", "ApiKey "+long)
		ask(log.RequireKey()(says("served")), r)
		e := log.requests(t, i+1)[i]
		assert.NotContains(t, fmt.Sprintf("%+v", e), "xxxxxxxx")
		assert.Equal(t, i == 1, e.Detail == "too much that may be a key", e.Detail)
	}
}

// What a handler passes to Authenticate is in no entry of its request either.
func TestATextThatAHandlerAuthenticatesIsInNoEntry(t *testing.T) {
	for _, text := range []string{goodKey, "unknown-text-in-a-path"} {
		log, outer := newLogged(t, apikey.Options{}), newLogged(t, apikey.Options{})
		handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			key, err := log.Authenticate(r.Context(), r.PathValue("key"))
			assert.Equal(t, text == goodKey, err == nil)
			assert.Equal(t, text == goodKey, key != nil)
		})
		mux := http.NewServeMux()
		mux.Handle("/feed/{key}/", outer.Record()(log.Record()(handler)))
		ask(mux, httptest.NewRequest("GET", "/feed/"+text+"/list", nil))
		assert.Equal(t, "/feed/[redacted]/list", log.request(t).Path)
		assert.Equal(t, "/feed/[redacted]/list", outer.request(t).Path)
	}
}

// What the Authority outside logs of a request has neither its own key in it nor
// that of the Authority inside, of whose places it knows nothing.
func TestAnInnerAuthoritysKeyIsInNoEntry(t *testing.T) {
	const inner = "the-key-of-the-inner-one"
	outside := newLogged(t, apikey.Options{})
	outside.withLevel(t, apikey.LogBoth, loggingKey)
	inside := newLogged(t, apikey.Options{Sources: []apikey.Source{apikey.FromHeader("X-Inner"), apikey.FromJSON("inner")}})
	for i, header := range []string{"X-Inner", "X-Other"} {
		r := httptest.NewRequest("POST", "/"+inner, strings.NewReader(`{"inner":"`+inner+`"}`))
		r.Header.Set("X-ApiKey", loggingKey)
		r.Header.Set("Content-Type", jsonT)
		r.Header.Set(header, inner)
		ask(outside.RequireKey()(inside.RequireKey()(says("you are "+inner))), r)
		e := outside.requests(t, i+1)[i]
		assert.NotContains(t, fmt.Sprintf("%+v", e), inner)
		assert.Equal(t, "/[redacted]", e.Path)
	}
}

// A handler that asks twice, by views that look in different places, has shown two keys.
func TestEachKeyThatAHandlerChecksIsInNoEntry(t *testing.T) {
	const one, two = "the-key-in-one-place", "the-key-in-another"
	log := newLogged(t, apikey.Options{})
	log.withLevel(t, apikey.LogNone, two)
	view := log.With(apikey.Overrides{Sources: []apikey.Source{apikey.FromHeader("X-Other")}})
	r := httptest.NewRequest("GET", "/"+one+"/"+two, http.NoBody)
	r.Header.Set("X-ApiKey", one)
	r.Header.Set("X-Other", two)
	ask(log.Record()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := log.Check(w, r, apikey.AnyKey())
		assert.ErrorIs(t, err, apikey.ErrUnknownKey)
		_, err = view.Check(w, r, apikey.AnyKey())
		assert.NoError(t, err)
	})), r)
	assert.Equal(t, "/[redacted]/[redacted]", log.request(t).Path)
}

// A body is logged without what stands where keys do, though the key came by another
// way and nobody has looked there, and its type without the key.
func TestPlacesOfKeysAreMaskedInBodies(t *testing.T) {
	const key = "a-key-in-a-type"
	log := newLogged(t, apikey.Options{Sources: []apikey.Source{apikey.FromHeader("X-ApiKey"), apikey.FromJSON("mine")}})
	log.withLevel(t, apikey.LogBoth, key)
	view := log.With(apikey.Overrides{Sources: []apikey.Source{apikey.FromHeader("X-ApiKey"), apikey.FromJSON("ours")}})
	for i, contentType := range []string{jsonT, "text/" + key} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{"mine":"one","ours":"two"}`))
		r.Header.Set("X-ApiKey", key)
		r.Header.Set("Content-Type", contentType)
		ask(view.RequireKey()(http.HandlerFunc(echo)), r)
		e := log.requests(t, i+1)[i]
		assert.Equal(t, `{"mine":"[redacted]","ours":"[redacted]"}`, e.Request.Text)
		assert.Equal(t, e.Request, e.Response)
		assert.Equal(t, []string{jsonT, "text/[redacted]"}[i], e.Request.Type)
	}
}
