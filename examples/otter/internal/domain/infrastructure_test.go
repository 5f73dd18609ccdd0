package domain

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// named returns the names of the entries in a list.
func named(t *testing.T, list answer) []string {
	t.Helper()
	names := []string{}
	for _, e := range decoded[[]map[string]any](t, list) {
		name, _ := e["name"].(string)
		names = append(names, name)
	}
	return names
}

func TestList(t *testing.T) {
	a := seeded(t)
	assert.Equal(t, []string{"hdarsdbsv1", "hdarsintsv1", "hdarswebsv1", "mdapxsv", "oldwebsv1"},
		named(t, a.post("/api/infrastructure/servers/list", "")))
	assert.Equal(t, []string{"database", "hdars", "web"},
		named(t, a.post("/api/infrastructure/roles/list", "")))
	assert.Equal(t, []string{"integration", "production", "test1", "test2", "testing"},
		named(t, a.post("/api/infrastructure/environments/list", "")))

	assert.JSONEq(t, `[{"name":"test1","parentName":"testing","variables":{}}]`,
		a.ok("POST", "/api/infrastructure/environments/list?name=test1", ""))
	assert.JSONEq(t, `[{"name":"web","variables":{}}]`,
		a.do("POST", "/api/infrastructure/roles/list", formType, "name=web").body)
	assert.JSONEq(t, `[]`, a.ok("POST", "/api/infrastructure/roles/list?name=WEB", ""))
	assert.Len(t, named(t, a.post("/api/infrastructure/roles/list?name=", "")), 3)
	refused(t, a.post("/api/infrastructure/roles/list?name=a&name=b", ""), 400, "repeated")
}

func TestListsHideSensitiveValues(t *testing.T) {
	a := seeded(t)
	list := a.post("/api/infrastructure/servers/list?name=hdarswebsv1", "")
	assert.JSONEq(t, `[{"name":"hdarswebsv1","roles":["web","hdars"],"environments":["production"],
		"active":true,"variables":{"disk-path":"/var/hdars/1000",
		"service-password":{"value":null,"sensitive":true}}}]`, list.body)
	updated := a.post("/api/infrastructure/servers/update/hdarswebsv1", "")
	assert.NotContains(t, updated.body, "correct horse")
}

func TestCreate(t *testing.T) {
	for name, row := range map[string]struct{ path, body, entry string }{
		"a server of defaults": {
			"servers/create/s1", "",
			`{"name":"s1","roles":[],"environments":[],"active":true,"variables":{}}`,
		},
		"a server with everything": {
			"servers/create/s1", `{"name":"s1","active":false,"roles":["web","hdars"],"environments":["test1"],
				"variables":{"a b":"<1>","c":{"value":"2","sensitive":false},"d":{"sensitive":true,"value":"3"}}}`,
			`{"name":"s1","roles":["web","hdars"],"environments":["test1"],"active":false,
				"variables":{"a b":"<1>","c":"2","d":{"value":null,"sensitive":true}}}`,
		},
		"a role":             {"roles/create/R_1-x", `{}`, `{"name":"R_1-x","variables":{}}`},
		"an environment":     {"environments/create/e", `{"parentName":null}`, `{"name":"e","parentName":null,"variables":{}}`},
		"one below another":  {"environments/create/e", `{"parentName":"test1"}`, `{"name":"e","parentName":"test1","variables":{}}`},
		"API_Key, a name":    {"roles/create/r", `{"variables":{"API_Key":"x"}}`, `{"name":"r","variables":{"API_Key":"x"}}`},
		"50 characters":      {"roles/create/" + strings.Repeat("a", 50), "", `{"name":"` + strings.Repeat("a", 50) + `","variables":{}}`},
		"an escaped letter":  {"roles/create/%72", "", `{"name":"r","variables":{}}`},
		"white space around": {"roles/create/r", " \n{} \t", `{"name":"r","variables":{}}`},
	} {
		t.Run(name, func(t *testing.T) {
			a := seeded(t)
			for _, contentType := range []string{objectType, formType, ""} {
				got := a.do("POST", "/api/infrastructure/"+row.path, contentType, row.body)
				assert.Equal(t, 201, got.status, got.body)
				assert.Equal(t, objectType, got.contentType)
				assert.JSONEq(t, row.entry, got.body)
				assert.NotContains(t, got.body, `\u003c`)

				kind, name, _ := strings.Cut(row.path, "/create/")
				assert.JSONEq(t, "["+row.entry+"]", a.ok("POST", "/api/infrastructure/"+kind+"/list?name="+name, ""))
				assert.Equal(t, answer{status: 200}, a.post("/api/infrastructure/"+kind+"/delete/"+name, ""))
			}
		})
	}
}

func TestCreateAndUpdateRefuse(t *testing.T) {
	for name, row := range map[string]struct{ path, body, says string }{
		"a digit first":                  {"servers/create/1a", "", "a letter first"},
		"a dash last":                    {"servers/create/a-", "", "no dash or underscore last"},
		"an underscore last":             {"roles/create/a_", "", "no dash or underscore last"},
		"a dash first":                   {"environments/create/-a", "", "a letter first"},
		"a space":                        {"roles/create/a%20b", "", `"a b" is not a legal role name`},
		"a slash":                        {"roles/create/a%2Fb", "", `"a/b" is not a legal role name`},
		"a letter of another alphabet":   {"roles/create/%C3%A4", "", "is not a legal role name"},
		"51 characters":                  {"roles/create/" + strings.Repeat("a", 51), "", "at most 50"},
		"what exists":                    {"servers/create/mdapxsv", "", `The server "mdapxsv" exists already`},
		"another name than the path's":   {"roles/create/r", `{"name":"q"}`, `must be the name in the path, "r"`},
		"a rename to what exists":        {"roles/update/web", `{"name":"hdars"}`, `The role "hdars" exists already`},
		"a rename to no name":            {"roles/update/web", `{"name":"h_"}`, `"h_" is not a legal role name`},
		"an unknown property":            {"servers/create/s", `{"colour":"red"}`, `"colour" is unknown: the properties of the server are name, roles, environments, active, variables`},
		"a property in other letters":    {"servers/create/s", `{"Active":true}`, `"Active" is unknown`},
		"another kind's property":        {"roles/create/r", `{"active":true}`, `"active" is unknown: the properties of the role are name, variables`},
		"API_Key, where it is still in":  {"environments/create/e", `{"API_Key":"secret"}`, `"API_Key" is unknown: the properties of the environment are name, parentName, variables`},
		"a repeated property":            {"servers/create/s", `{"active":true,"active":false}`, `"active" is repeated`},
		"a number for a name":            {"servers/create/s", `{"name":1}`, `"name" must be a string`},
		"a string for a boolean":         {"servers/create/s", `{"active":"yes"}`, `"active" must be true or false`},
		"null for a boolean":             {"servers/update/mdapxsv", `{"active":null}`, `"active" must be true or false`},
		"a string for a list":            {"servers/create/s", `{"roles":"web"}`, `"roles" must be an array of names`},
		"a list of numbers":              {"servers/create/s", `{"environments":[1]}`, `"environments" must be an array of names`},
		"a role that does not exist":     {"servers/create/s", `{"roles":["nope"]}`, `The role "nope" does not exist: create it first`},
		"an environment that does not":   {"servers/update/mdapxsv", `{"environments":["nope"]}`, `The environment "nope" does not exist`},
		"a role twice":                   {"servers/create/s", `{"roles":["web","web"]}`, `"web" is listed twice`},
		"a parent that does not exist":   {"environments/create/e", `{"parentName":"nope"}`, `The environment "nope" does not exist`},
		"itself as a parent":             {"environments/update/testing", `{"parentName":"testing"}`, "neither"},
		"a child as a parent":            {"environments/update/testing", `{"parentName":"test1"}`, `"test1" cannot be the parent`},
		"a number for a parent":          {"environments/update/test1", `{"parentName":1}`, "or null for no parent"},
		"variables that are no object":   {"roles/create/r", `{"variables":[]}`, `"variables" must be an object of names and values`},
		"null for variables":             {"roles/update/web", `{"variables":null}`, `"variables" must be an object of names and values`},
		"a property that is left out":    {"servers/create/s", `{"serverType":"ssh"}`, `"serverType" is unknown: the properties of the server are`},
		"a variable's name":              {"roles/create/r", `{"variables":{"a.b":"c"}}`, `"a.b" is not a legal variable name`},
		"a number for a variable":        {"roles/create/r", `{"variables":{"a":1}}`, `Variable "a" must be a string or {"value"`},
		"a masked value sent back":       {"servers/update/hdarswebsv1", `{"variables":{"service-password":{"value":null,"sensitive":true}}}`, "must be a string or"},
		"a body that is not JSON":        {"roles/create/r", `{"variables":}`, "not JSON, as byte 14 shows"},
		"a second value":                 {"roles/create/r", `{}{}`, "not JSON"},
		"an array":                       {"roles/create/r", `[]`, "not an object"},
		"null":                           {"roles/create/r", `null`, "not an object"},
		"a byte that is not UTF-8":       {"roles/create/r", "{\"variables\":{\"a\":\"\xff\"}}", "valid UTF-8"},
		"too deep a nesting":             {"roles/create/r", strings.Repeat("[", 20_000), "not JSON"},
		"a line feed in a property name": {"roles/create/r", `{"a\nb":1}`, `"a\nb" is unknown`},
	} {
		t.Run(name, func(t *testing.T) {
			a := seeded(t)
			before := everything(a)
			refused(t, a.post("/api/infrastructure/"+row.path, row.body), 422, row.says)
			assert.Equal(t, before, everything(a), "a refused request changes nothing")
		})
	}
}

// everything returns all that can be read of the infrastructure and the variables.
func everything(a api) []string {
	a.t.Helper()
	return []string{
		a.ok("POST", "/api/infrastructure/servers/list", ""),
		a.ok("POST", "/api/infrastructure/roles/list", ""),
		a.ok("POST", "/api/infrastructure/environments/list", ""),
		a.ok("GET", "/api/variables/scoped/all", ""),
	}
}

func TestBodiesHaveALimit(t *testing.T) {
	a := seeded(t)
	large := `{"variables":{"a":"` + strings.Repeat("x", maxBody) + `"}}`
	refused(t, a.post("/api/infrastructure/roles/create/r", large), 413, "at most 1048576 bytes")
	refused(t, a.do("PUT", "/api/variables/global", objectType, large), 413, "at most 1048576 bytes")
	refused(t, a.do("PUT", "/api/variables/global/x", textType, large), 413, "at most 1048576 bytes")
	refused(t, a.do("PUT", "/api/variables/scoped/all", objectType, large), 413, "at most 1048576 bytes")
	refused(t, a.do("DELETE", "/api/variables/scoped/single", objectType, large), 413, "at most 1048576 bytes")
}

func TestUpdateKeepsWhatIsAbsent(t *testing.T) {
	a := seeded(t)
	assert.JSONEq(t, `{"name":"hdarswebsv1","roles":["web","hdars"],"environments":["production"],"active":false,
		"variables":{"disk-path":"/var/hdars/1000","service-password":{"value":null,"sensitive":true}}}`,
		a.ok("POST", "/api/infrastructure/servers/update/hdarswebsv1", `{"active":false}`))
	assert.JSONEq(t, `{"name":"hdarswebsv1","roles":[],"environments":["test1"],"active":false,"variables":{"a":"b"}}`,
		a.ok("POST", "/api/infrastructure/servers/update/hdarswebsv1",
			`{"roles":[],"environments":["test1"],"variables":{"a":"b"}}`))
	assert.JSONEq(t, `{"name":"test1","parentName":"testing","variables":{}}`,
		a.ok("POST", "/api/infrastructure/environments/update/test1", `{"variables":{}}`))
	assert.JSONEq(t, `{"name":"test1","parentName":null,"variables":{}}`,
		a.ok("POST", "/api/infrastructure/environments/update/test1", `{"parentName":null}`))
}

func TestWhateverRefersToARenamedEntryFollows(t *testing.T) {
	a := seeded(t)
	assert.JSONEq(t, `{"name":"new-hdars","variables":{"installation-path":"/var/hdars/service"}}`,
		a.ok("POST", "/api/infrastructure/roles/update/hdars", `{"name":"new-hdars"}`))
	a.ok("POST", "/api/infrastructure/environments/update/testing", `{"name":"trial"}`)

	assert.JSONEq(t, `[]`, a.ok("POST", "/api/infrastructure/roles/list?name=hdars", ""))
	assert.Contains(t, a.ok("POST", "/api/infrastructure/servers/list?name=hdarsintsv1", ""), `["web","new-hdars"]`)
	assert.Contains(t, a.ok("POST", "/api/infrastructure/environments/list?name=test1", ""), `"parentName":"trial"`)
	assert.Equal(t, "/var/hdars/service", a.ok("GET", "/api/variables/role/new-hdars/installation-path", ""))
	assert.Contains(t, a.ok("GET", "/api/configuration/server/hdarsintsv1", ""), "new-hdars")
}

func TestWhateverRefersToADeletedEntryLosesIt(t *testing.T) {
	a := seeded(t)
	a.ok("POST", "/api/infrastructure/environments/update/testing", `{"parentName":"production"}`)
	for _, path := range []string{"roles/delete/web", "environments/delete/testing", "environments/delete/production", "servers/delete/hdarsdbsv1"} {
		assert.Equal(t, answer{status: 200}, a.post("/api/infrastructure/"+path, ""))
		refused(t, a.post("/api/infrastructure/"+path, ""), 404, "does not exist")
	}
	assert.JSONEq(t, `[{"name":"hdarswebsv1","roles":["hdars"],"environments":[],"active":true,"variables":
		{"disk-path":"/var/hdars/1000","service-password":{"value":null,"sensitive":true}}}]`,
		a.ok("POST", "/api/infrastructure/servers/list?name=hdarswebsv1", ""))
	assert.Contains(t, a.ok("POST", "/api/infrastructure/environments/list?name=test1", ""), `"parentName":null`)
	all := a.ok("GET", "/api/variables/scoped/all", "")
	assert.NotContains(t, all, "database-alias", "its environment is gone")
	assert.NotContains(t, all, "log-level", "one of its two scopes is gone")
	assert.Contains(t, all, "disk-path")

	a.post("/api/infrastructure/environments/create/production", "")
	assert.JSONEq(t, `{}`, a.ok("GET", "/api/variables/environment/production", ""),
		"an entry of the same name is another entry")
}

func TestUnknownEntriesAndKinds(t *testing.T) {
	a := seeded(t)
	for _, kind := range []string{"servers", "roles", "environments"} {
		refused(t, a.post("/api/infrastructure/"+kind+"/update/nope", "{}"), 404, `"nope" does not exist`)
		refused(t, a.post("/api/infrastructure/"+kind+"/delete/nope", ""), 404, `"nope" does not exist`)
	}
	for _, kind := range []string{"server", "Servers", "s", "cats"} {
		for _, action := range []string{"list", "create/x", "update/x", "delete/x"} {
			refused(t, a.post("/api/infrastructure/"+kind+"/"+action, ""), 404, "use servers, roles or environments")
		}
	}
}
