package domain

import "time"

// Seeded returns an Otter with something for every endpoint to answer: three job templates, one for
// each way in which a job ends, and servers in every configuration status that lasts.
func Seeded() *Otter {
	o := New()
	o.templates["hdars"] = template{jobSucceeded}
	o.templates["hdars-audit"] = template{jobWarning}
	o.templates["hdars-retire"] = template{jobError}
	o.seedEnvironments()
	o.seedServers()
	o.seedVariables()
	return o
}

// seed adds an entry that needs no checking.
func (o *Otter) seed(k kind, name string, set func(e *entry)) *entry {
	o.lastEntry++
	e := &entry{id: o.lastEntry, kind: k, name: name, active: true}
	if set != nil {
		set(e)
	}
	o.entries[k][name] = e
	return e
}

func (o *Otter) seedEnvironments() {
	o.seed(environmentKind, "production", nil)
	o.seed(environmentKind, "integration", nil)
	testing := o.seed(environmentKind, "testing", nil)
	below := func(e *entry) { e.parent = testing }
	o.seed(environmentKind, "test1", below)
	o.seed(environmentKind, "test2", below)
}

func (o *Otter) seedServers() {
	web := o.seed(roleKind, "web", nil)
	hdars := o.seed(roleKind, "hdars", nil)
	database := o.seed(roleKind, "database", nil)
	in := o.entries[environmentKind]

	current := o.seed(serverKind, "hdarswebsv1", func(e *entry) {
		e.environments = []*entry{in["production"]}
		e.roles = []*entry{web, hdars}
		e.applied = []*entry{web, hdars}
	})
	drifted := o.seed(serverKind, "hdarsintsv1", func(e *entry) {
		e.environments = []*entry{in["integration"]}
		e.roles = []*entry{web, hdars}
		e.applied = []*entry{web}
	})
	faulty := o.seed(serverKind, "hdarsdbsv1", func(e *entry) {
		e.environments = []*entry{in["production"]}
		e.roles = []*entry{database}
		e.fault = "The agent does not answer."
	})
	o.seed(serverKind, "mdapxsv", func(e *entry) { // never checked
		e.environments = []*entry{in["test1"], in["test2"]}
	})
	o.seed(serverKind, "oldwebsv1", func(e *entry) { e.active = false })

	for _, server := range []*entry{current, drifted, faulty} {
		o.collect(server, time.Now().Add(-time.Hour))
	}
}

func (o *Otter) seedVariables() {
	server := scope{server: o.entries[serverKind]["hdarswebsv1"]}
	role := scope{role: o.entries[roleKind]["hdars"]}
	environment := scope{environment: o.entries[environmentKind]["production"]}
	both := scope{server: server.server, environment: environment.environment}

	o.setIn(scope{}, "organization", variable{value: "kramerica"})
	o.setIn(scope{}, "license-key", variable{value: "5208-1530-0000", sensitive: true})
	o.setIn(server, "disk-path", variable{value: "/var/hdars/1000"})
	o.setIn(server, "service-password", variable{value: "correct horse", sensitive: true})
	o.setIn(role, "installation-path", variable{value: "/var/hdars/service"})
	o.setIn(environment, "database-alias", variable{value: "production"})
	o.setIn(both, "log-level", variable{value: "warn"})
}
