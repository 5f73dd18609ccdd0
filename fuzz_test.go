package apikey_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// FuzzCheck sends whatever it likes to Check. No request is served without a key
// that exists, none is changed, a refused one can be read whole, and a served
// one no longer holds the key where it was found.
func FuzzCheck(f *testing.F) {
	for _, s := range [][5]string{
		{"good", "", "", "", ""},
		{"", "key=good&a=1", "", "", ""},
		{"", "", form, "a=1&key=good", ""},
		{"", "", jsonT, `{"a":1,"API_Key":"good"}`, ""},
		{"", "", jsonT + "; charset=utf-16", `{"API_Key":"good"}`, ""},
		{"", "", "", "", "Bearer good"},
		{"", "", "", "", "Basic YXBpOmdvb2Q="},
		{"good", "key=bad", "", "", ""},
		{"bad", "", jsonT, `{"API_Key":"good"}`, ""},
		{"", "key=%zz", form, "key=good", ""},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4])
	}
	auth := newAuthority(f, &apikey.Options{Sources: append(apikey.OtterSources(), apikey.FromBasic("api"), apikey.FromBearer())})
	issueCustom(f, auth, "good", apikey.JobsView)
	f.Fuzz(func(t *testing.T, header, query, kind, body, authorization string) {
		r := httptest.NewRequest("POST", "/p", strings.NewReader(body))
		r.URL.RawQuery = query
		for name, value := range map[string]string{"X-Apikey": header, "Content-Type": kind, "Authorization": authorization} {
			if value != "" {
				r.Header[name] = []string{value}
			}
		}
		before := r.Header.Clone()
		next, err := auth.Check(nil, r, apikey.AnyKey())
		require.Equal(t, before, r.Header)
		require.Equal(t, query, r.URL.RawQuery)
		rest, readErr := io.ReadAll(next.Body)
		require.NoError(t, readErr)
		if err != nil {
			require.Equal(t, body, string(rest))
			return
		}
		key, ok := apikey.FromContext(next.Context())
		require.True(t, ok)
		require.Equal(t, []apikey.Permission{apikey.JobsView}, key.Permissions)
		require.Equal(t, int64(len(rest)), next.ContentLength)

		// What is handed on carries no credential any more: checked again, it is
		// refused for want of one, unless one stood in a place not looked at.
		again := next.Clone(t.Context())
		again.Body = io.NopCloser(strings.NewReader(string(rest)))
		again = again.WithContext(t.Context())
		fresh, err := http.NewRequest(again.Method, "http://host/p", again.Body)
		require.NoError(t, err)
		fresh.Header, fresh.ContentLength = again.Header, again.ContentLength
		fresh.URL.RawQuery = again.URL.RawQuery
		if string(rest) != body || body == "" {
			_, err = auth.Check(nil, fresh, apikey.AnyKey())
			require.Error(t, err)
		}
	})
}
