package domain

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// remediation is what a job does when it ends: it makes servers follow their roles.
type remediation struct {
	servers  []*entry
	role     *entry // the only role to follow; nil for all
	simulate bool   // and change nothing
}

// order is what a request wants remediated.
type order struct {
	subject  subject
	title    string // of the job; empty for none
	start    time.Time
	simulate bool
}

// Remediate creates a job that makes servers follow their roles, and answers with its token. The
// path parameters type and name say which servers: one, or those with a role, or those in an
// environment. Of the parameters, all optional, job names the job, start postpones it until a time
// in UTC, and simulate, if true, makes it change nothing.
func (o *Otter) Remediate(w http.ResponseWriter, r *http.Request) {
	params, err := parameters(w, r)
	if err != nil {
		answerError(w, err)
		return
	}
	want, err := parseOrder(r, params)
	if err != nil {
		answerError(w, err)
		return
	}
	text, err := o.remediate(want)
	if err != nil {
		answerError(w, err)
		return
	}
	answerText(w, text)
}

func parseOrder(r *http.Request, params map[string]string) (want order, err error) {
	word := pathParam(r, "type")
	k, ok := kindNamed(word)
	if !ok {
		return want, refuse(http.StatusBadRequest,
			"%q cannot be remediated: use server, role or environment.", word)
	}
	want.subject = subject{k, pathParam(r, "name")}
	want.title = params["job"]
	if want.start, err = parseStart(params["start"], time.Now()); err != nil {
		return want, err
	}
	switch params["simulate"] {
	case "", "false":
	case "true":
		want.simulate = true
	default:
		return want, refuse(http.StatusBadRequest, "Parameter \"simulate\" must be true or false.")
	}
	return want, nil
}

// parseStart returns when a job starts that is asked for now: at once, or later if text says so.
func parseStart(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now, nil
	}
	start, err := time.Parse(dateFormat, text)
	if err != nil {
		return now, refuse(http.StatusBadRequest,
			"Parameter \"start\" must be a time in UTC such as 2016-04-21T23:00:00.")
	}
	if start.Before(now) {
		return now, nil
	}
	return start, nil
}

func (o *Otter) remediate(want order) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settle()
	servers, err := o.serversOf(want.subject)
	if err != nil {
		return "", err
	}
	j := want.job(servers)
	if want.subject.kind == roleKind {
		j.remediation.role = o.entries[roleKind][want.subject.name]
	}
	if !j.disabled {
		o.remediations = append(o.remediations, j)
	}
	return o.addJob(j), nil
}

// job returns the job that remediates those of servers that are active. It is disabled if none is,
// and ends in an error if one of them has a fault.
func (want order) job(servers []*entry) *job {
	active := slices.DeleteFunc(slices.Clone(servers), func(e *entry) bool { return !e.active })
	j := &job{
		what:        fmt.Sprintf("remediate the %s %q", want.subject.kind, want.subject.name),
		start:       want.start,
		outcome:     jobSucceeded,
		disabled:    len(servers) > 0 && len(active) == 0,
		remediation: &remediation{servers: active, simulate: want.simulate},
	}
	if want.title != "" {
		j.what += fmt.Sprintf(" as %q", want.title)
	}
	if slices.ContainsFunc(active, func(e *entry) bool { return e.fault != "" }) {
		j.outcome = jobError
	}
	return j
}

// settle applies the remediations that have ended since it was last called. Whatever reads or
// changes the configuration of servers calls it first. o.mu is held.
func (o *Otter) settle() {
	now := time.Now()
	o.remediations = slices.DeleteFunc(o.remediations, func(j *job) bool {
		state := j.state(now)
		if state == jobSucceeded {
			j.remediation.apply()
		}
		return state != jobPending && state != jobExecuting
	})
}

// apply makes the servers follow the roles in question, unless it is only a simulation.
func (m *remediation) apply() {
	if m.simulate {
		return
	}
	for _, server := range m.servers {
		for _, role := range server.roles {
			if (m.role == nil || m.role == role) && !server.follows(role) {
				server.applied = append(server.applied, role)
			}
		}
	}
}

// follows reports whether the server's configuration is what the role wants.
func (e *entry) follows(role *entry) bool { return slices.Contains(e.applied, role) }

// remediating returns the first job that is still to remediate a server, or nil. o.mu is held.
func (o *Otter) remediating(server *entry) *job {
	i := slices.IndexFunc(o.remediations, func(j *job) bool {
		return slices.Contains(j.remediation.servers, server)
	})
	if i < 0 {
		return nil
	}
	return o.remediations[i]
}

// RemediationStatus answers with the state of the remediation whose token is given: pending,
// running, completed, faulted, or disabled.
func (o *Otter) RemediationStatus(w http.ResponseWriter, r *http.Request) {
	j, err := o.jobByToken(w, r)
	if err == nil && j.remediation == nil {
		err = refuse(http.StatusNotFound,
			"The job with this token is no remediation: ask for its status at /api/jobs/status.")
	}
	if err != nil {
		answerError(w, err)
		return
	}
	answerText(w, j.remediationState(time.Now()))
}

func (j *job) remediationState(now time.Time) string {
	if j.disabled {
		return "disabled"
	}
	switch j.state(now) {
	case jobPending:
		return "pending"
	case jobExecuting:
		return "running"
	case jobError:
		return "faulted"
	default:
		return "completed"
	}
}
