package domain

import (
	"net/http"
	"time"
)

// checkFor is how long a check of a server's configuration takes.
const checkFor = 200 * time.Millisecond

// dateFormat is Otter's: ISO 8601 without a zone. Here it is UTC.
const dateFormat = "2006-01-02T15:04:05"

// Words for the configuration of a server, and some also for one item of it.
const (
	configCurrent   = "current"
	configDrifted   = "drifted"
	configExecuting = "executing"
	configPending   = "pendingRemediation"
	configUnknown   = "unknown"
	configDisabled  = "disabled"
	configError     = "error"
)

// statusView is the configuration status of one server.
type statusView struct {
	Type               string  `json:"type"`
	Name               string  `json:"name"`
	Status             string  `json:"status"`
	ErrorText          string  `json:"errorText,omitempty"`
	CollectionDate     *string `json:"collectionDate"`
	LatestCollectionID *int    `json:"latestCollectionId"`
	RemediationDate    string  `json:"remediationDate,omitempty"`
	RemediationID      int     `json:"remediationId,omitempty"`
}

// itemView is one thing that a check of a server has found.
type itemView struct {
	Type            string  `json:"type"`
	Key             string  `json:"key"`
	Status          string  `json:"status"`
	CollectionDate  string  `json:"collectionDate"`
	CollectionID    int     `json:"collectionId"`
	CollectionRole  *string `json:"collectionRole"`
	RemediationDate string  `json:"remediationDate,omitempty"`
	RemediationID   int     `json:"remediationId,omitempty"`
}

// subject is what a request asks about: one entry, named by a parameter or by the path.
type subject struct {
	kind kind
	name string
}

// subjectIn returns the subject that the parameter server, role or environment names, or false if
// there is none.
func subjectIn(params map[string]string) (subject, bool, error) {
	var found []subject
	for _, k := range []kind{serverKind, roleKind, environmentKind} {
		if name := params[string(k)]; name != "" {
			found = append(found, subject{k, name})
		}
	}
	switch len(found) {
	case 0:
		return subject{}, false, nil
	case 1:
		return found[0], true, nil
	}
	return subject{}, false, refuse(http.StatusBadRequest,
		"Parameters %q and %q exclude each other: give one.", found[0].kind, found[1].kind)
}

// serversOf returns the servers that a subject means: itself, or all that have the role or are in
// the environment, by name. o.mu is held.
func (o *Otter) serversOf(sub subject) ([]*entry, error) {
	e, err := o.entry(sub.kind, sub.name)
	if err != nil {
		return nil, err
	}
	var servers []*entry
	for _, server := range o.sorted(serverKind) {
		if server.refersTo(e) {
			servers = append(servers, server)
		}
	}
	return servers, nil
}

// ConfigurationStatus answers with the status of the server that the parameter server names, or
// with an array of the statuses of the servers that have the role, or are in the environment, that
// the parameter role or environment names.
func (o *Otter) ConfigurationStatus(w http.ResponseWriter, r *http.Request) {
	params, err := parameters(w, r)
	if err != nil {
		answerError(w, err)
		return
	}
	sub, ok, err := subjectIn(params)
	if err == nil && !ok {
		err = refuse(http.StatusBadRequest,
			"A parameter is missing: give server, role or environment.")
	}
	if err != nil {
		answerError(w, err)
		return
	}
	views, err := o.statuses(sub)
	switch {
	case err != nil:
		answerError(w, err)
	case sub.kind == serverKind:
		answerJSON(w, http.StatusOK, views[0])
	default:
		answerJSON(w, http.StatusOK, views)
	}
}

func (o *Otter) statuses(sub subject) ([]statusView, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settle()
	servers, err := o.serversOf(sub)
	if err != nil {
		return nil, err
	}
	views := []statusView{}
	for _, server := range servers {
		views = append(views, o.status(server, time.Now()))
	}
	return views, nil
}

// status returns the status of a server. o.mu is held.
func (o *Otter) status(server *entry, now time.Time) statusView {
	v := statusView{Type: string(serverKind), Name: server.name, Status: o.statusWord(server, now)}
	if !server.collectedAt.IsZero() {
		v.CollectionDate = new(date(server.collectedAt))
		v.LatestCollectionID = new(server.collectionID)
	}
	if v.Status == configError {
		v.ErrorText = server.fault
	}
	if j := o.remediating(server); j != nil {
		v.RemediationDate, v.RemediationID = date(j.start), j.id
	}
	return v
}

// statusWord sums the state of a server up in one word. o.mu is held.
func (o *Otter) statusWord(server *entry, now time.Time) string {
	j := o.remediating(server)
	switch {
	case !server.active:
		return configDisabled
	case now.Sub(server.collectedAt) < checkFor, j != nil && j.state(now) == jobExecuting:
		return configExecuting
	case server.collectedAt.IsZero():
		return configUnknown
	case server.fault != "":
		return configError
	case !server.drifted():
		return configCurrent
	case j != nil:
		return configPending
	}
	return configDrifted
}

// drifted reports whether the server has a role that its configuration does not follow.
func (e *entry) drifted() bool {
	for _, role := range e.roles {
		if !e.follows(role) {
			return true
		}
	}
	return false
}

func date(t time.Time) string { return t.UTC().Format(dateFormat) }

// CheckConfiguration starts a check of the servers that the parameter server, role or environment
// means, or of all servers. A server that is not active is passed over.
func (o *Otter) CheckConfiguration(w http.ResponseWriter, r *http.Request) {
	params, err := parameters(w, r)
	if err != nil {
		answerError(w, err)
		return
	}
	sub, ok, err := subjectIn(params)
	if err == nil {
		err = o.check(sub, !ok)
	}
	answerEmpty(w, err)
}

func (o *Otter) check(sub subject, all bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	servers := o.sorted(serverKind)
	if !all {
		var err error
		if servers, err = o.serversOf(sub); err != nil {
			return err
		}
	}
	for _, server := range servers {
		if server.active {
			o.collect(server, time.Now())
		}
	}
	return nil
}

// collect notes that a server's configuration was looked at. o.mu is held.
func (o *Otter) collect(server *entry, at time.Time) {
	o.lastCollection++
	server.collectedAt, server.collectionID = at, o.lastCollection
}

// ServerConfiguration answers with the array of what the latest check has found on the server that
// the path parameter name names: a file of its own and one for each of its roles. It is empty
// before the first check.
func (o *Otter) ServerConfiguration(w http.ResponseWriter, r *http.Request) {
	items, err := o.items(pathParam(r, "name"))
	if err != nil {
		answerError(w, err)
		return
	}
	answerJSON(w, http.StatusOK, items)
}

func (o *Otter) items(name string) ([]itemView, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settle()
	server, err := o.entry(serverKind, name)
	if err != nil {
		return nil, err
	}
	views := []itemView{}
	if server.collectedAt.IsZero() {
		return views, nil
	}
	views = append(views, o.item(server, nil))
	for _, role := range server.roles {
		views = append(views, o.item(server, role))
	}
	return views, nil
}

// item returns the file that a role, or none, puts on a server. o.mu is held.
func (o *Otter) item(server, role *entry) itemView {
	v := itemView{
		Type:           "File",
		Key:            "/etc/otter/server.conf",
		Status:         configCurrent,
		CollectionDate: date(server.collectedAt),
		CollectionID:   server.collectionID,
		CollectionRole: nameOf(role),
	}
	if role != nil {
		v.Key = "/etc/otter/roles/" + role.name + ".conf"
	}
	switch {
	case server.fault != "":
		v.Status = configUnknown
	case role != nil && !server.follows(role):
		v.Status = configDrifted
		if j := o.remediating(server); j != nil {
			v.RemediationDate, v.RemediationID = date(j.start), j.id
		}
	}
	return v
}
