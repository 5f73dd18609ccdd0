package domain

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigurationStatus(t *testing.T) {
	a := seeded(t)
	for server, want := range map[string]string{
		"hdarswebsv1": "current",
		"hdarsintsv1": "drifted",
		"hdarsdbsv1":  "error",
		"mdapxsv":     "unknown",
		"oldwebsv1":   "disabled",
	} {
		for _, got := range []answer{
			a.get("/api/configuration/status?server=" + server),
			a.do("POST", "/api/configuration/status", formType, "server="+server),
		} {
			v := decoded[map[string]any](t, got)
			assert.Equal(t, 200, got.status)
			assert.Equal(t, "server", v["type"])
			assert.Equal(t, server, v["name"])
			assert.Equal(t, want, v["status"])
			assert.Equal(t, want == "error", v["errorText"] != nil, "the text comes with an error only")
			assert.NotContains(t, v, "remediationId")
		}
	}
	unchecked := decoded[map[string]any](t, a.get("/api/configuration/status?server=mdapxsv"))
	assert.Contains(t, unchecked, "collectionDate")
	assert.Nil(t, unchecked["collectionDate"])
	assert.Nil(t, unchecked["latestCollectionId"])

	assert.Equal(t, []string{"hdarsintsv1", "hdarswebsv1"}, named(t, a.get("/api/configuration/status?role=web")))
	assert.Equal(t, []string{"hdarsdbsv1", "hdarswebsv1"}, named(t, a.get("/api/configuration/status?environment=production")))
	assert.Equal(t, []string{}, named(t, a.get("/api/configuration/status?environment=testing")))
}

func TestConfigurationRefuses(t *testing.T) {
	a := seeded(t)
	for path, row := range map[string]struct {
		status int
		says   string
	}{
		"status":                              {400, "give server, role or environment"},
		"status?server=":                      {400, "give server, role or environment"},
		"status?server=mdapxsv&role=web":      {400, `"server" and "role" exclude each other`},
		"status?server=nope":                  {404, `The server "nope" does not exist`},
		"status?role=nope":                    {404, `The role "nope" does not exist`},
		"status?environment=nope":             {404, `The environment "nope" does not exist`},
		"status?server=a&server=a":            {400, "repeated"},
		"check?server=nope":                   {404, `The server "nope" does not exist`},
		"check?role=a&environment=b":          {400, "exclude each other"},
		"check?role=a&role=b":                 {400, "repeated"},
		"remediate/cat/x":                     {400, "use server, role or environment"},
		"remediate/server/nope":               {404, `The server "nope" does not exist`},
		"remediate/role/web?start=soon":       {400, "2016-04-21T23:00:00"},
		"remediate/role/web?start=2016-04-21": {400, "2016-04-21T23:00:00"},
		"remediate/role/web?simulate=maybe":   {400, "must be true or false"},
		"remediate/role/web?job=a&job=b":      {400, "repeated"},
		"remediate/status":                    {400, `"token" is missing`},
		"remediate/status?token=471":          {404, "No job has this token"},
		"server/nope":                         {404, `The server "nope" does not exist`},
	} {
		refused(t, a.get("/api/configuration/"+path), row.status, row.says)
		refused(t, a.post("/api/configuration/"+path, ""), row.status, row.says)
	}
	token := a.ok("POST", "/api/jobs/trigger?template=hdars", "")
	refused(t, a.get("/api/configuration/remediate/status?token="+token), 404, "no remediation")
}

// words returns the status of each server in turn.
func words(t *testing.T, o *Otter, servers ...string) []string {
	t.Helper()
	var list []string
	for _, server := range servers {
		var v statusView
		require.NoError(t, json.Unmarshal([]byte(call(o, "/api/configuration/status?server="+server)), &v))
		list = append(list, v.Status)
	}
	return list
}

func TestChecksTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Seeded()
		assert.Empty(t, call(o, "/api/configuration/check?server=mdapxsv"))
		assert.Equal(t, []string{"executing", "current"}, words(t, o, "mdapxsv", "hdarswebsv1"))
		time.Sleep(checkFor)
		assert.Equal(t, []string{"current"}, words(t, o, "mdapxsv"))

		call(o, "/api/configuration/check?role=hdars")
		assert.Equal(t, []string{"executing", "executing", "error"}, words(t, o, "hdarswebsv1", "hdarsintsv1", "hdarsdbsv1"))
		time.Sleep(checkFor)
		call(o, "/api/configuration/check")
		assert.Equal(t, []string{"executing", "disabled"}, words(t, o, "hdarsdbsv1", "oldwebsv1"))
		time.Sleep(checkFor)
		assert.Equal(t, []string{"error", "drifted"}, words(t, o, "hdarsdbsv1", "hdarsintsv1"))
	})
}

func TestServerConfiguration(t *testing.T) {
	a := seeded(t)
	for _, method := range []string{"GET", "POST"} {
		assert.JSONEq(t, `[]`, a.ok(method, "/api/configuration/server/mdapxsv", ""))
		items := decoded[[]map[string]any](t, a.do(method, "/api/configuration/server/hdarsintsv1", "", ""))
		require.Len(t, items, 3)
		for i, want := range []map[string]any{
			{"key": "/etc/otter/server.conf", "status": "current", "collectionRole": nil},
			{"key": "/etc/otter/roles/web.conf", "status": "current", "collectionRole": "web"},
			{"key": "/etc/otter/roles/hdars.conf", "status": "drifted", "collectionRole": "hdars"},
		} {
			assert.Subset(t, items[i], want)
			assert.Subset(t, items[i], map[string]any{"type": "File", "collectionId": 2.0})
		}
	}
	for _, item := range decoded[[]map[string]any](t, a.get("/api/configuration/server/hdarsdbsv1")) {
		assert.Equal(t, "unknown", item["status"])
	}
}

func TestRemediationEndsDrift(t *testing.T) {
	for _, target := range []string{"server/hdarsintsv1", "role/hdars", "environment/integration"} {
		synctest.Test(t, func(t *testing.T) {
			o := Seeded()
			token := call(o, "/api/configuration/remediate/"+target+"?job=auto&simulate=false")
			state := func() string { return call(o, "/api/configuration/remediate/status?token="+token) }

			assert.Equal(t, "pending", state())
			assert.Equal(t, []string{"pendingRemediation", "error"}, words(t, o, "hdarsintsv1", "hdarsdbsv1"))
			assert.Contains(t, call(o, "/api/configuration/server/hdarsintsv1"), `"remediationId":1`)
			assert.Contains(t, call(o, "/api/jobs/logs?token="+token), `as "auto"`)
			time.Sleep(pendingFor)
			assert.Equal(t, "running", state())
			assert.Equal(t, []string{"executing"}, words(t, o, "hdarsintsv1"))
			time.Sleep(executingFor)
			assert.Equal(t, "completed", state())
			assert.Equal(t, []string{"current"}, words(t, o, "hdarsintsv1"))
			assert.NotContains(t, call(o, "/api/configuration/server/hdarsintsv1"), "remediationId")
		})
	}
}

func TestRemediationThatChangesNothing(t *testing.T) {
	for path, row := range map[string]struct{ state, server, word string }{
		"server/hdarsintsv1?simulate=true": {"completed", "hdarsintsv1", "drifted"},
		"role/web":                         {"completed", "hdarsintsv1", "drifted"}, // another of its roles has drifted
		"server/hdarsdbsv1":                {"faulted", "hdarsdbsv1", "error"},
		"server/oldwebsv1":                 {"disabled", "oldwebsv1", "disabled"},
		"environment/testing":              {"completed", "mdapxsv", "unknown"}, // no server is in it
	} {
		synctest.Test(t, func(t *testing.T) {
			o := Seeded()
			token := call(o, "/api/configuration/remediate/"+path)
			time.Sleep(pendingFor + executingFor)
			assert.Equal(t, row.state, call(o, "/api/configuration/remediate/status?token="+token), path)
			assert.Equal(t, []string{row.word}, words(t, o, row.server), path)
		})
	}
}

func TestRemediationCanWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Seeded()
		later := time.Now().Add(time.Hour)
		token := call(o, "/api/configuration/remediate/server/hdarsintsv1?start="+date(later))
		state := func() string { return call(o, "/api/configuration/remediate/status?token="+token) }

		time.Sleep(time.Hour - time.Second)
		assert.Equal(t, "pending", state())
		assert.Contains(t, call(o, "/api/configuration/status?server=hdarsintsv1"),
			`"remediationDate":"`+date(later)+`","remediationId":1`)
		time.Sleep(3 * time.Second)
		assert.Equal(t, "completed", state())

		token = call(o, "/api/configuration/remediate/server/hdarsintsv1?start=1999-12-31T23:00:00")
		assert.Equal(t, "pending", state(), "a start in the past is now")
	})
}

// TestForgottenRemediations: of what is to start in years, no more is kept than of jobs. What has
// ended before it is forgotten has taken place.
func TestForgottenRemediations(t *testing.T) {
	for start, word := range map[string]string{"2999-12-31T23:00:00": "drifted", "": "current"} {
		synctest.Test(t, func(t *testing.T) {
			o := Seeded()
			token := call(o, "/api/configuration/remediate/server/hdarsintsv1?start="+start)
			time.Sleep(pendingFor + executingFor)
			for range keptJobs {
				_, err := o.triggerJob("hdars", nil)
				require.NoError(t, err)
			}
			assert.NotContains(t, o.jobs, token)
			assert.Empty(t, o.remediations)
			assert.Equal(t, []string{word}, words(t, o, "hdarsintsv1"))
		})
	}
}

func TestANewRoleIsDrift(t *testing.T) {
	a := seeded(t)
	a.ok("POST", "/api/infrastructure/servers/update/hdarswebsv1", `{"roles":["web","hdars","database"]}`)
	assert.Contains(t, a.ok("GET", "/api/configuration/status?server=hdarswebsv1", ""), `"status":"drifted"`)
	a.ok("POST", "/api/infrastructure/servers/update/hdarswebsv1", `{"roles":["web"]}`)
	assert.Contains(t, a.ok("GET", "/api/configuration/status?server=hdarswebsv1", ""), `"status":"current"`)
}
