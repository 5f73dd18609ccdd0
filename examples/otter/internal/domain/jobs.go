package domain

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A job's state follows from its age alone, so that nothing runs in the background and a test can
// wait for it: Pending until pendingFor has passed, then Executing for executingFor, then its
// outcome for good.
const (
	pendingFor   = 200 * time.Millisecond
	executingFor = 800 * time.Millisecond
)

// keptJobs is how many jobs are kept; the oldest are forgotten.
const keptJobs = 10_000

type jobState string

const (
	jobPending   jobState = "Pending"
	jobExecuting jobState = "Executing"
	jobSucceeded jobState = "Succeeded"
	jobWarning   jobState = "Warning"
	jobError     jobState = "Error"
)

// template is what jobs are made from: nothing but the state in which they end.
type template struct {
	outcome jobState
}

// job is one run of a template, or one remediation.
type job struct {
	id   int
	what string // completes the sentence "The job is to …"

	// variables are names only: values are never shown, so they are not kept.
	variables []string

	start    time.Time
	outcome  jobState
	disabled bool

	remediation *remediation // nil for a job made from a template
}

func (j *job) state(now time.Time) jobState {
	switch age := now.Sub(j.start); {
	case j.disabled || age < pendingFor:
		return jobPending
	case age < pendingFor+executingFor:
		return jobExecuting
	default:
		return j.outcome
	}
}

// log returns the lines that a job in state has written. It lists the names of the variables, so
// that whoever triggered the job can see what it was given.
func (j *job) log(state jobState) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INFO: Job %d is to %s.\n", j.id, j.what)
	fmt.Fprintf(&b, "DEBUG: Number of job variables: %d.\n", len(j.variables))
	for _, name := range j.variables {
		fmt.Fprintf(&b, "DEBUG: Job variable %q is set.\n", name)
	}
	if state == jobPending {
		return b.String()
	}
	b.WriteString("INFO: The job has started.\n")
	switch state {
	case jobSucceeded:
		b.WriteString("INFO: The job has succeeded.\n")
	case jobWarning:
		b.WriteString("WARN: The job has succeeded, but not without trouble.\n")
	case jobError:
		b.WriteString("ERROR: The job has failed.\n")
	default: // it is still at it
	}
	return b.String()
}

// addJob keeps j, forgets the job that is too old by then, and returns j's token. o.mu is held.
func (o *Otter) addJob(j *job) string {
	o.lastJob++
	j.id = o.lastJob
	o.jobs[token(j.id)] = j
	o.forget(token(j.id - keptJobs))
	return token(j.id)
}

// forget drops the job with this token, if there is one. A remediation that has not ended by now does
// not take place, or those that are to start in years would pile up. o.mu is held.
func (o *Otter) forget(text string) {
	old, ok := o.jobs[text]
	if !ok {
		return
	}
	delete(o.jobs, text)
	if old.remediation != nil {
		o.settle()
		o.remediations = slices.DeleteFunc(o.remediations, func(j *job) bool { return j == old })
	}
}

// token returns what clients know a job by. To them it is any text.
func token(id int) string { return strconv.Itoa(id) }

// TriggerJob starts a job from the template that the parameter template names and answers with its
// token. Every other parameter is a variable of the job, whatever its name.
func (o *Otter) TriggerJob(w http.ResponseWriter, r *http.Request) {
	params, err := parameters(w, r)
	if err != nil {
		answerError(w, err)
		return
	}
	name, err := required(params, "template")
	if err != nil {
		answerError(w, err)
		return
	}
	delete(params, "template")
	text, err := o.triggerJob(name, slices.Sorted(maps.Keys(params)))
	if err != nil {
		answerError(w, err)
		return
	}
	answerText(w, text)
}

func (o *Otter) triggerJob(name string, variables []string) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t, ok := o.templates[name]
	if !ok {
		return "", refuse(http.StatusNotFound, "Job template %q does not exist.", name)
	}
	j := &job{
		what:      fmt.Sprintf("run template %q", name),
		variables: variables,
		start:     time.Now(),
		outcome:   t.outcome,
	}
	return o.addJob(j), nil
}

// JobStatus answers with the state of the job whose token is given: Pending, Executing, Succeeded,
// Warning or Error.
func (o *Otter) JobStatus(w http.ResponseWriter, r *http.Request) {
	o.answerJob(w, r, func(_ *job, state jobState) string { return string(state) })
}

// JobLogs answers with what the job whose token is given has logged, one message a line.
func (o *Otter) JobLogs(w http.ResponseWriter, r *http.Request) {
	o.answerJob(w, r, (*job).log)
}

// answerJob answers with what text makes of the job that the parameter token names. A job does not
// change once it has been added, so text needs no lock.
func (o *Otter) answerJob(w http.ResponseWriter, r *http.Request, text func(*job, jobState) string) {
	j, err := o.jobByToken(w, r)
	if err != nil {
		answerError(w, err)
		return
	}
	answerText(w, text(j, j.state(time.Now())))
}

func (o *Otter) jobByToken(w http.ResponseWriter, r *http.Request) (*job, error) {
	params, err := parameters(w, r)
	if err != nil {
		return nil, err
	}
	text, err := required(params, "token")
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if j, ok := o.jobs[text]; ok {
		return j, nil
	}
	return nil, refuse(http.StatusNotFound,
		"No job has this token: use the one with which the trigger was answered.")
}
