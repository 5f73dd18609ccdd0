package domain

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// scopes are the paths of one scope of each sort.
var scopes = []string{
	"/api/variables/global",
	"/api/variables/server/mdapxsv",
	"/api/variables/role/hdars",
	"/api/variables/environment/production",
}

func TestVariablesOfAScope(t *testing.T) {
	for _, path := range scopes {
		for _, method := range []string{"POST", "PUT"} {
			t.Run(method+" "+path, func(t *testing.T) {
				a := seeded(t)
				set := func(body string) answer { return a.do(method, path, objectType, body) }

				assert.Equal(t, answer{status: 200}, set(`{"a":"1","b c":{"value":"2","sensitive":true},"API_Key":"3"}`))
				got := a.get(path)
				assert.Equal(t, objectType, got.contentType)
				assert.JSONEq(t, `{"a":"1","b c":{"value":"2","sensitive":true},"API_Key":"3"}`, got.body)

				assert.Equal(t, answer{status: 200}, set(`{"d":"4"}`))
				assert.JSONEq(t, `{"d":"4"}`, a.ok("GET", path, ""), "those that are not listed are deleted")
				assert.Equal(t, answer{status: 200}, set(`{}`))
				assert.JSONEq(t, `{}`, a.ok("GET", path, ""))
			})
		}
	}
}

func TestOneVariable(t *testing.T) {
	for _, scope := range scopes {
		for _, method := range []string{"POST", "PUT"} {
			t.Run(method+" "+scope, func(t *testing.T) {
				a := seeded(t)
				path := scope + "/some%20name"
				refused(t, a.get(path), 404, `Variable "some name" does not exist`)
				refused(t, a.do("DELETE", path, "", ""), 404, `Variable "some name" does not exist`)

				for _, contentType := range []string{textType, formType, objectType, "application/octet-stream", ""} {
					value := "key=x&API_Key=%41; {\"a\":\n1}\x00 ä "
					assert.Equal(t, answer{status: 200}, a.do(method, path, contentType, value))
					assert.Equal(t, answer{200, textType, value}, a.get(path), "byte by byte, under %q", contentType)
				}
				assert.Contains(t, a.ok("GET", scope, ""), `"some name":"key=x`, "a new one is not sensitive")
				a.ok(method, path, "")
				assert.Equal(t, answer{200, textType, ""}, a.get(path))

				assert.Equal(t, answer{status: 200}, a.do("DELETE", path, "", ""))
				assert.Equal(t, 404, a.get(path).status)
			})
		}
	}
}

func TestASensitiveVariableStaysSensitive(t *testing.T) {
	a := seeded(t)
	assert.Equal(t, "5208-1530-0000", a.ok("GET", "/api/variables/global/license-key", ""))
	a.ok("PUT", "/api/variables/global/license-key", "new")
	assert.Contains(t, a.ok("GET", "/api/variables/global", ""), `"license-key":{"value":"new","sensitive":true}`)
	a.ok("PUT", "/api/variables/global", `{"license-key":"plain"}`)
	assert.JSONEq(t, `{"license-key":"plain"}`, a.ok("GET", "/api/variables/global", ""))
}

func TestVariablesRefuse(t *testing.T) {
	for name, row := range map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"an unknown type":              {"GET", "/api/variables/cat/x", "", 400, "use server, role, environment or global"},
		"a plural":                     {"PUT", "/api/variables/servers/mdapxsv/a", "1", 400, "use server, role"},
		"a scope that is none":         {"DELETE", "/api/variables/cat/x/y", "", 400, "use server, role"},
		"an unknown entity":            {"GET", "/api/variables/server/nope", "", 404, `The server "nope" does not exist`},
		"setting those of an unknown":  {"PUT", "/api/variables/role/nope", "{}", 404, `The role "nope"`},
		"reading one of an unknown":    {"GET", "/api/variables/role/nope/a", "", 404, `The role "nope"`},
		"setting one of an unknown":    {"PUT", "/api/variables/environment/nope/a", "1", 404, `The environment "nope"`},
		"deleting one of an unknown":   {"DELETE", "/api/variables/server/nope/a", "", 404, `The server "nope"`},
		"a name in the path":           {"PUT", "/api/variables/global/a.b", "1", 422, `"a.b" is not a legal variable name`},
		"a long name in the path":      {"PUT", "/api/variables/global/" + strings.Repeat("a", 51), "1", 422, "at most 50"},
		"a name that ends in a space":  {"PUT", "/api/variables/global/a%20", "1", 422, "a letter or digit last"},
		"a value that is not UTF-8":    {"PUT", "/api/variables/global/a", "\xff", 422, "valid UTF-8"},
		"no body":                      {"PUT", "/api/variables/global", "", 422, "The body is empty: send one JSON object."},
		"white space for a body":       {"PUT", "/api/variables/global", " \n", 422, "The body is empty: send one JSON object."},
		"an array for an object":       {"PUT", "/api/variables/global", "[]", 422, "not an object"},
		"a string for an object":       {"PUT", "/api/variables/global", `"a"`, 422, "not an object"},
		"something after the object":   {"PUT", "/api/variables/global", `{} 1`, 422, "nothing after it"},
		"a repeated variable":          {"PUT", "/api/variables/global", `{"a":"1","\u0061":"2"}`, 422, `"a" is repeated`},
		"a nameless variable":          {"PUT", "/api/variables/global", `{"":"1"}`, 422, "is not a legal variable name"},
		"a null":                       {"PUT", "/api/variables/global", `{"a":null}`, 422, `Variable "a" must be a string or`},
		"a list":                       {"PUT", "/api/variables/global", `{"a":["1"]}`, 422, `Variable "a" must be a string or`},
		"an object without a value":    {"PUT", "/api/variables/global", `{"a":{"sensitive":true}}`, 422, `Variable "a" must be`},
		"an object with more":          {"PUT", "/api/variables/global", `{"a":{"value":"1","x":1}}`, 422, `Variable "a" must be`},
		"an object with a text for it": {"PUT", "/api/variables/global", `{"a":{"value":"1","sensitive":"y"}}`, 422, `Variable "a" must be`},
	} {
		t.Run(name, func(t *testing.T) {
			a := seeded(t)
			before := everything(a)
			refused(t, a.do(row.method, row.path, objectType, row.body), row.status, row.says)
			assert.Equal(t, before, everything(a), "a refused request changes nothing")
		})
	}
}

func TestScopedVariables(t *testing.T) {
	a := seeded(t)
	got := a.get("/api/variables/scoped/all")
	assert.Equal(t, objectType, got.contentType)
	assert.JSONEq(t, `[
		{"name":"database-alias","value":"production","sensitive":false,"server":null,"role":null,"environment":"production"},
		{"name":"disk-path","value":"/var/hdars/1000","sensitive":false,"server":"hdarswebsv1","role":null,"environment":null},
		{"name":"installation-path","value":"/var/hdars/service","sensitive":false,"server":null,"role":"hdars","environment":null},
		{"name":"license-key","value":"5208-1530-0000","sensitive":true,"server":null,"role":null,"environment":null},
		{"name":"log-level","value":"warn","sensitive":false,"server":"hdarswebsv1","role":null,"environment":"production"},
		{"name":"organization","value":"kramerica","sensitive":false,"server":null,"role":null,"environment":null},
		{"name":"service-password","value":"correct horse","sensitive":true,"server":"hdarswebsv1","role":null,"environment":null}
	]`, got.body)

	for _, method := range []string{"POST", "PUT"} {
		assert.Equal(t, answer{status: 200}, a.do(method, "/api/variables/scoped/all", objectType, got.body))
		assert.Equal(t, got, a.get("/api/variables/scoped/all"), "what is read can be set")
	}
	a.ok("PUT", "/api/variables/scoped/all", `[{"name":"a","value":"1","role":"web"},{"name":"a","value":"2"}]`)
	assert.JSONEq(t, `{"a":"2"}`, a.ok("GET", "/api/variables/global", ""), "the scopes share one store")
	assert.JSONEq(t, `{"a":"1"}`, a.ok("GET", "/api/variables/role/web", ""))
	assert.JSONEq(t, `{}`, a.ok("GET", "/api/variables/server/hdarswebsv1", ""))
	a.ok("PUT", "/api/variables/scoped/all", `[]`)
	assert.JSONEq(t, `[]`, a.ok("GET", "/api/variables/scoped/all", ""))
}

func TestOneScopedVariable(t *testing.T) {
	for _, method := range []string{"POST", "PUT"} {
		a := seeded(t)
		single := "/api/variables/scoped/single"
		set := func(body string) { assert.Equal(t, answer{status: 200}, a.do(method, single, objectType, body)) }

		set(`{"name":"a","value":"1","sensitive":true,"server":"mdapxsv","role":null,"environment":null}`)
		set(`{"name":"a","value":"2","server":"mdapxsv","environment":"test1"}`)
		assert.JSONEq(t, `{"a":{"value":"1","sensitive":true}}`, a.ok("GET", "/api/variables/server/mdapxsv", ""))
		set(`{"name":"a","value":"3","server":"mdapxsv"}`)
		assert.JSONEq(t, `{"a":{"value":"3","sensitive":true}}`, a.ok("GET", "/api/variables/server/mdapxsv", ""), "it stays sensitive")
		set(`{"name":"a","value":"4","sensitive":false,"server":"mdapxsv"}`)
		assert.JSONEq(t, `{"a":"4"}`, a.ok("GET", "/api/variables/server/mdapxsv", ""))
		set(`{"name":"a","value":"5","server":"mdapxsv"}`)
		assert.JSONEq(t, `{"a":"5"}`, a.ok("GET", "/api/variables/server/mdapxsv", ""))

		gone := `{"name":"a","server":"mdapxsv"}`
		assert.Equal(t, answer{status: 200}, a.do("DELETE", single, objectType, gone))
		refused(t, a.do("DELETE", single, objectType, gone), 404, `Variable "a" does not exist`)
		assert.Contains(t, a.ok("GET", "/api/variables/scoped/all", ""), `"value":"2"`, "another scope is untouched")
		a.ok("DELETE", single, `{"name":"a","value":"any","sensitive":true,"server":"mdapxsv","environment":"test1"}`)
		assert.NotContains(t, a.ok("GET", "/api/variables/scoped/all", ""), `"value":"2"`)
	}
}

func TestScopedVariablesRefuse(t *testing.T) {
	for name, row := range map[string]struct{ body, says string }{
		"no name":                   {`{"value":"1"}`, `"name" is missing`},
		"a null name":               {`{"name":null,"value":"1"}`, `"name" must be a string`},
		"a bad name":                {`{"name":"a.b","value":"1"}`, `"a.b" is not a legal variable name`},
		"a number for a value":      {`{"name":"a","value":1}`, `"value" must be a string`},
		"null for sensitive":        {`{"name":"a","value":"1","sensitive":null}`, `"sensitive" must be true or false`},
		"a number for a server":     {`{"name":"a","value":"1","server":1}`, `"server" must be the name of a server, or null`},
		"an unknown server":         {`{"name":"a","value":"1","server":"nope"}`, `The server "nope" does not exist`},
		"an unknown role":           {`{"name":"a","value":"1","role":"nope"}`, `The role "nope" does not exist`},
		"an unknown environment":    {`{"name":"a","value":"1","environment":""}`, `The environment "" does not exist`},
		"an unknown property":       {`{"name":"a","value":"1","API_Key":"x"}`, `"API_Key" is unknown: a variable has name, value`},
		"a repeated property":       {`{"name":"a","name":"a","value":"1"}`, `"name" is repeated`},
		"something that is no JSON": {`{"name":`, "not JSON"},
		"something else than it":    {`7`, "not an"},
	} {
		t.Run(name, func(t *testing.T) {
			a := seeded(t)
			before := everything(a)
			refused(t, a.do("PUT", "/api/variables/scoped/single", objectType, row.body), 422, row.says)
			refused(t, a.do("DELETE", "/api/variables/scoped/single", objectType, row.body), 422, row.says)
			refused(t, a.do("PUT", "/api/variables/scoped/all", objectType, "["+row.body+"]"), 422, row.says)
			assert.Equal(t, before, everything(a), "a refused request changes nothing")
		})
	}
	a := seeded(t)
	refused(t, a.post("/api/variables/scoped/single", `{"name":"a"}`), 422, `"value" is missing`)
	refused(t, a.post("/api/variables/scoped/all", `[{"name":"a"}]`), 422, `"value" is missing`)
	refused(t, a.post("/api/variables/scoped/all", `[{"name":"a","value":"1"},{"name":"a","value":"1","role":null}]`), 422, "repeated in one scope")
	refused(t, a.post("/api/variables/scoped/all", `{}`), 422, "not an array")
	refused(t, a.post("/api/variables/scoped/all", ``), 422, "The body is empty: send one JSON array.")
	refused(t, a.post("/api/variables/scoped/single", `[]`), 422, "not an object")
}
