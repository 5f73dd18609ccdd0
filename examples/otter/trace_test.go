package main

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNoTraceInJobs: every parameter of a trigger is a job variable, except the
// key.
func TestNoTraceInJobs(t *testing.T) {
	const path = "/api/jobs/trigger?template=hdars&branch=main"
	_, c := newServer(t, "otter")
	key := c.texts["native"]
	rows := map[string]struct {
		request   *http.Request
		variables []string
	}{
		"by header":            {c.keyed("POST", path, typeForm, "commit=1"), []string{"branch", "commit"}},
		"by query, at its end": {newRequest("GET", path+"&key="+key, "", ""), []string{"branch"}},
		"by query, in front": {
			newRequest("GET", strings.Replace(path, "?", "?key="+key+"&", 1), "", ""), []string{"branch"},
		},
		"by query, twice":   {newRequest("GET", path+"&key="+key+"&a=1&key="+key, "", ""), []string{"a", "branch"}},
		"by query, escaped": {newRequest("GET", path+"&%6bey="+key, "", ""), []string{"branch"}},
		"by query, beside an empty one": {
			newRequest("GET", path+"&key=&key="+key, "", ""), []string{"branch"},
		},
		"by header and query": {c.keyed("GET", path+"&key="+key, "", ""), []string{"branch"}},
		"by header, with an empty pair in the query": {
			c.keyed("GET", path+"&key=", "", ""), []string{"branch"},
		},
		"by form":             {newRequest("POST", path, typeForm, "key="+key+"&commit=1"), []string{"branch", "commit"}},
		"by form, at its end": {newRequest("POST", path, typeForm, "commit=1&key="+key), []string{"branch", "commit"}},
		"by form, escaped":    {newRequest("POST", path, typeForm, "commit=1&k%65y="+key), []string{"branch", "commit"}},
		"by form, twice":      {newRequest("POST", path, typeForm, "key="+key+"&key="+key), []string{"branch"}},
		"by form of a GET":    {newRequest("GET", path, typeForm, "key="+key), []string{"branch"}},
		"by JSON":             {newRequest("POST", path, typeJSON, `{"API_Key":"`+key+`"}`), []string{"branch"}},
		"names alike are data": {
			c.keyed("GET", path+"&Key=1&API_Key=2&key2=3&X-ApiKey=4", "", ""),
			[]string{"API_Key", "Key", "X-ApiKey", "branch", "key2"},
		},
		"a form value key is data where the header has the key": {
			c.keyed("POST", path, typeForm, "key=data"), []string{"branch", "key"},
		},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			token := c.send(t, row.request)
			require.Equal(t, 200, token.status, token.body)
			log := c.send(t, c.keyed("GET", "/api/jobs/logs?token="+token.body, "", ""))
			require.Equal(t, 200, log.status)
			assert.Equal(t, row.variables, jobVariables(log.body))
			assert.NotContains(t, log.body, key)
		})
	}
}

// keyed returns a request that carries the key with full control in the header.
func (c client) keyed(method, path, contentType, body string) *http.Request {
	r := newRequest(method, path, contentType, body)
	r.Header.Set("X-ApiKey", c.texts["native"])
	return r
}

var jobVariable = regexp.MustCompile(`Job variable "(.*)" is set`)

func jobVariables(log string) (names []string) {
	for _, match := range jobVariable.FindAllStringSubmatch(log, -1) {
		names = append(names, match[1])
	}
	return names
}

// TestNoTraceInVariables: setting variables replaces them by the members of the
// body, except the key.
func TestNoTraceInVariables(t *testing.T) {
	_, c := newServer(t, "otter")
	key, err := json.Marshal(c.texts["variables"])
	require.NoError(t, err)
	for body, stored := range map[string]string{
		`{"API_Key":KEY}`:                                `{}`,
		`{"API_Key":KEY,"a":"1"}`:                        `{"a":"1"}`,
		`{"a":"1","API_Key":KEY}`:                        `{"a":"1"}`,
		`{"a":"1","API_Key":KEY,"b":"2"}`:                `{"a":"1","b":"2"}`,
		"{\n\t\"a\" : \"1\" ,\n\t\"API_Key\" : KEY\n}\n": `{"a":"1"}`,
		`{"API\u005fKey":KEY,"a":"1"}`:                   `{"a":"1"}`,
		`{"API_Key":KEY,"key":"data"}`:                   `{"key":"data"}`,
		`{"API_Key":KEY,"api_key":"data"}`:               `{"api_key":"data"}`,
		`{"API_Key":KEY,"API-Key":"\"API_Key\""}`:        `{"API-Key":"\"API_Key\""}`,
	} {
		for _, path := range []string{"/api/variables/global", "/api/variables/role/web"} {
			for _, method := range []string{"POST", "PUT"} {
				got := c.send(t, newRequest(method, path, typeJSON, strings.ReplaceAll(body, "KEY", string(key))))
				require.Equal(t, 200, got.status, "%s: %s", body, got.body)
				got = c.send(t, c.keyed("GET", path, "", ""))
				assert.JSONEq(t, stored, got.body, "%s %s %s", method, path, body)
			}
		}
	}
}

// TestBodyBesideAHeader: with a key in the header nobody looks for one in the body,
// so that it is a variable like the others.
func TestBodyBesideAHeader(t *testing.T) {
	_, c := newServer(t, "otter")
	const path, body = "/api/variables/global", `{"API_Key":"data","a":"1"}`
	require.Equal(t, 200, c.send(t, c.keyed("PUT", path, typeJSON, body)).status)
	assert.JSONEq(t, body, c.send(t, c.keyed("GET", path, "", "")).body)
}

// TestRawBodies: a variable is its body, byte by byte, whatever the body is
// labelled and however much it looks as if it held a key.
func TestRawBodies(t *testing.T) {
	_, c := newServer(t, "otter")
	const path = "/api/variables/global/raw"
	for _, value := range []string{
		"", "plain", "key=other&a=1", "a=%zz;b&&=", `{"API_Key":"other"}`, `{"API_Key":`, "\x00 ä +%20\n",
		strings.Repeat("key=x&", 10_000),
	} {
		for _, contentType := range []string{typeForm, typeForm + "; charset=utf-8", typeJSON, "text/plain", ""} {
			for _, request := range []*http.Request{
				c.keyed("PUT", path, contentType, value),
				newRequest("POST", withParam(path, "key", c.texts["variables"]), contentType, value),
			} {
				got := c.send(t, request)
				require.Equal(t, 200, got.status, "%q as %s: %s", value, contentType, got.body)
				got = c.send(t, c.keyed("GET", path, "", ""))
				require.Equal(t, value, got.body, "as %s", contentType)
			}
		}
	}
}

// TestRestOfASearchedBody: what is left of a raw body from which the key was taken
// is as it was.
func TestRestOfASearchedBody(t *testing.T) {
	_, c := newServer(t, "otter")
	const path = "/api/variables/global/raw"
	key := c.texts["variables"]
	for _, row := range [][3]string{
		{typeForm, "key=" + key + "&a=%41;b&&=+", "a=%41;b&&=+"},
		{typeForm, "a=%zz&key=" + key, "a=%zz"},
		{typeJSON, "{\n\t\"b\": 1.0e2,\"API_Key\":\"" + key + "\", \"b\": [ ]\n}", "{\n\t\"b\": 1.0e2, \"b\": [ ]\n}"},
	} {
		got := c.send(t, newRequest("PUT", path, row[0], row[1]))
		require.Equal(t, 200, got.status, "%q: %s", row[1], got.body)
		assert.Equal(t, row[2], c.send(t, c.keyed("GET", path, "", "")).body)
	}
}

// TestScopedVariables: a root array has no property and so no key; that is no
// error where the key stands elsewhere, and no way in where it does not.
func TestScopedVariables(t *testing.T) {
	_, c := newServer(t, "otter")
	const path = "/api/variables/scoped/all"
	const list = `[{"name":"a","value":"1","sensitive":false,"server":null,"role":"web","environment":null}]`
	for _, request := range []*http.Request{
		c.keyed("PUT", path, typeJSON, list),
		newRequest("POST", withParam(path, "key", c.texts["variables"]), typeJSON, list),
	} {
		got := c.send(t, request)
		require.Equal(t, 200, got.status, got.body)
		assert.JSONEq(t, list, c.send(t, c.keyed("GET", path, "", "")).body)
	}
	inside := `[{"API_Key":"` + c.texts["native"] + `"}]`
	assert.Equal(t, 403, c.send(t, newRequest("PUT", path, typeJSON, inside)).status)

	single := `{"name":"a","role":"web","API_Key":"` + c.texts["variables"] + `"}`
	got := c.send(t, newRequest("DELETE", "/api/variables/scoped/single", typeJSON, single))
	require.Equal(t, 200, got.status, "a DELETE may have its key in the body: %s", got.body)
	assert.JSONEq(t, `[]`, c.send(t, c.keyed("GET", path, "", "")).body)
}

// TestNativeParameters: the key stands among the parameters of a native method.
func TestNativeParameters(t *testing.T) {
	_, c := newServer(t, "otter")
	body := `{"Server_Id":1,"API_Key":"` + c.texts["native"] + `","Depth":{"API_Key":7}}`
	got := c.send(t, newRequest("POST", "/api/json/Servers_GetServers", typeJSON, body))
	require.Equal(t, 200, got.status, got.body)
	assert.Contains(t, got.body, `"Server_Name":"mdapxsv"`)
}
