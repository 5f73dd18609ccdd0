package domain

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNativeMethods(t *testing.T) {
	a := seeded(t)
	for _, body := range []string{"", `{"Server_Id":3,"API_Key":"x"}`, "not JSON at all"} {
		for _, method := range []string{"GET", "POST"} {
			servers := decoded[[]map[string]any](t, a.do(method, "/api/json/Servers_GetServers?x=1&x=2", objectType, body))
			require.Len(t, servers, 5)
			assert.Subset(t, servers[4], map[string]any{"Server_Name": "oldwebsv1", "Active_Indicator": false})
			assert.NotZero(t, servers[0]["Server_Id"])

			roles := decoded[[]map[string]any](t, a.do(method, "/api/json/Roles_GetRoles", objectType, body))
			require.Len(t, roles, 3)
			assert.Equal(t, "database", roles[0]["ServerRole_Name"])

			variables := decoded[[]map[string]any](t, a.do(method, "/api/json/Variables_GetAll", objectType, body))
			require.Len(t, variables, 7)
			assert.Equal(t, map[string]any{
				"Variable_Name": "database-alias", "Variable_Value": "production", "Sensitive_Indicator": false,
				"Server_Name": nil, "ServerRole_Name": nil, "Environment_Name": "production",
			}, variables[0])
		}
	}
	for _, method := range []string{"servers_getservers", "Servers_GetServer", "Roles_DeleteRole"} {
		refused(t, a.get("/api/json/"+method), 404, "use Servers_GetServers, Roles_GetRoles or Variables_GetAll")
	}
}

func TestAnEmptyOtterAnswersWithEmptyLists(t *testing.T) {
	o := New()
	for _, method := range []string{"Servers_GetServers", "Roles_GetRoles", "Variables_GetAll"} {
		assert.Equal(t, "[]\n", call(o, "/api/json/"+method))
	}
	assert.Equal(t, "[]\n", call(o, "/api/variables/scoped/all"))
	assert.Equal(t, "{}\n", call(o, "/api/variables/global"))
	assert.Equal(t, "Job template \"hdars\" does not exist.\n", call(o, "/api/jobs/trigger?template=hdars"))
	assert.Empty(t, call(o, "/api/configuration/check"))
}

// TestUseByManyAtOnce is for the race detector: every handler runs beside every other.
func TestUseByManyAtOnce(t *testing.T) {
	a := seeded(t)
	requests := [][3]string{
		{"GET", "/api/jobs/trigger?template=hdars&a=1"},
		{"GET", "/api/jobs/status?token=1"},
		{"GET", "/api/jobs/logs?token=1"},
		{"POST", "/api/infrastructure/environments/list"},
		{"POST", "/api/infrastructure/servers/list"},
		{"POST", "/api/infrastructure/servers/create/s1", `{"roles":["web"]}`},
		{"POST", "/api/infrastructure/environments/update/testing", `{"name":"trial"}`},
		{"POST", "/api/infrastructure/environments/update/trial", `{"name":"testing"}`},
		{"POST", "/api/infrastructure/servers/delete/s1"},
		{"PUT", "/api/variables/global", `{"a":"1"}`},
		{"PUT", "/api/variables/global/b", "2"},
		{"GET", "/api/variables/global"},
		{"DELETE", "/api/variables/global/b"},
		{"GET", "/api/variables/scoped/all"},
		{"PUT", "/api/variables/scoped/single", `{"name":"c","value":"3","environment":"test1"}`},
		{"GET", "/api/configuration/check"},
		{"GET", "/api/configuration/status?role=web"},
		{"GET", "/api/configuration/remediate/role/web"},
		{"GET", "/api/configuration/server/hdarswebsv1"},
		{"GET", "/api/json/Variables_GetAll"},
	}
	var wg sync.WaitGroup
	for _, request := range requests {
		wg.Go(func() {
			for range 20 {
				assert.Less(t, a.do(request[0], request[1], objectType, request[2]).status, 500, request)
			}
		})
	}
	wg.Wait()
}
