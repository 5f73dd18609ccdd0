package domain

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// call sends a request straight to the routes: what waits in a synctest bubble must stay inside it,
// which connections do not.
func call(o *Otter, path string) string {
	w := httptest.NewRecorder()
	routes(o).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Body.String()
}

func TestTriggerAnswersWithATokenThatStatusAndLogsTake(t *testing.T) {
	a := seeded(t)
	for _, method := range []string{"GET", "POST"} {
		token := a.ok(method, "/api/jobs/trigger?template=hdars", "")
		require.NotEmpty(t, token)
		assert.Equal(t, answer{200, textType, "Pending"}, a.get("/api/jobs/status?token="+token))
		assert.Equal(t, answer{200, textType, "Pending"},
			a.do("POST", "/api/jobs/status", formType, "token="+token))
		assert.Contains(t, a.ok(method, "/api/jobs/logs?token="+token, ""), `template "hdars"`)
	}
	first := a.get("/api/jobs/trigger?template=hdars")
	assert.NotEqual(t, first, a.get("/api/jobs/trigger?template=hdars"), "every job has its own token")
}

func TestEveryOtherParameterIsAJobVariable(t *testing.T) {
	a := seeded(t)
	token := a.do("POST", "/api/jobs/trigger?template=hdars&key=k-value&branch=b-value", formType,
		"API_Key=a-value&branch=lost&odd%0Aname=").body
	log := a.get("/api/jobs/logs?token=" + token).body
	assert.Equal(t, strings.Join([]string{
		`INFO: Job 1 is to run template "hdars".`,
		`DEBUG: Number of job variables: 4.`,
		`DEBUG: Job variable "API_Key" is set.`,
		`DEBUG: Job variable "branch" is set.`,
		`DEBUG: Job variable "key" is set.`,
		`DEBUG: Job variable "odd\nname" is set.`,
		``,
	}, "\n"), log)
	assert.NotContains(t, log, "value", "values are nobody's business")
}

func TestJobRefusals(t *testing.T) {
	a := seeded(t)
	refused(t, a.get("/api/jobs/trigger?template=HDARS"), 404, `Job template "HDARS" does not exist`)
	for _, path := range []string{"/api/jobs/status", "/api/jobs/logs"} {
		refused(t, a.do("GET", path, formType, "token=1"), 400, "give it in the query string or the form of a POST")
		refused(t, a.get(path), 400, `"token" is missing`)
		refused(t, a.get(path+"?token=a&token=b"), 400, `"token" is repeated`)
		refused(t, a.get(path+"?token=471"), 404, "No job has this token")
	}
}

func TestJobsProgressWithTime(t *testing.T) {
	for template, row := range map[string]struct{ outcome, line string }{
		"hdars":        {"Succeeded", "INFO: The job has succeeded.\n"},
		"hdars-audit":  {"Warning", "WARN: "},
		"hdars-retire": {"Error", "ERROR: "},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := Seeded()
			token := call(o, "/api/jobs/trigger?template="+template)
			status := func() string { return call(o, "/api/jobs/status?token="+token) }

			time.Sleep(pendingFor - time.Nanosecond)
			assert.Equal(t, "Pending", status())
			assert.NotContains(t, call(o, "/api/jobs/logs?token="+token), "started")
			time.Sleep(time.Nanosecond)
			assert.Equal(t, "Executing", status())
			assert.Contains(t, call(o, "/api/jobs/logs?token="+token), "INFO: The job has started.\n")
			assert.NotContains(t, call(o, "/api/jobs/logs?token="+token), row.line)
			time.Sleep(executingFor)
			assert.Equal(t, row.outcome, status())
			assert.Contains(t, call(o, "/api/jobs/logs?token="+token), row.line)
			time.Sleep(24 * time.Hour)
			assert.Equal(t, row.outcome, status())
		})
	}
}

func TestTheOldestJobsAreForgotten(t *testing.T) {
	o := Seeded()
	for range keptJobs + 1 {
		_, err := o.triggerJob("hdars", nil)
		require.NoError(t, err)
	}
	assert.Len(t, o.jobs, keptJobs)
	assert.NotContains(t, o.jobs, "1")
	assert.Contains(t, o.jobs, "2")
}
