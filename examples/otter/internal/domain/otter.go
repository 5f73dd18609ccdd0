// Package domain imitates, in memory, the HTTP API that Inedo documents for Otter: jobs,
// infrastructure, variables, configuration and a few native methods.
//
// It knows nothing of API keys. Every handler trusts its caller, so a program must wrap each of
// them in the permission it needs, and must hand on requests from which the credential is gone:
// a key left in the query of [Otter.TriggerJob] would become a job variable, one left in the body
// of [Otter.SetVariables] a configuration variable. Package apikey takes it out of every place that it
// searches. Beside a key in the header or the query the body is none of them: what a client calls key
// or API_Key in there, be it a key or not, is data and kept as such.
//
// # Requests
//
// Handlers read path parameters by chi's names and accept whatever method they are mounted on.
// Parameters come from the query string or, save in a GET, from an application/x-www-form-urlencoded
// form. Where both have one, the query wins; one that is repeated within either is refused. Bodies that are
// JSON or a raw value are read as such whatever their Content-Type says, since common clients label
// any body urlencoded. They may have 1 MiB.
//
// # Left out
//
// A server has the properties name, roles, environments, active and variables. Otter documents more:
// drift, which says what to do about it, and those that say how a server is reached (serverType,
// hostName, port, encryptionType, encryptionKey, requireSsl, credentialsType, credentialsName,
// tempPath and wsManUrl). No server here is reached, and they are refused like any unknown property.
//
// # Refusals
//
// A refusal is one line of plain text that says what is wrong and what is legal: 400 for
// parameters, 404 for something that does not exist, 413 for a body that is too large, and 422 for
// a body, or a name to be given, that is not acceptable.
package domain

import "sync"

// Otter is the whole state of one imitated Otter. Its methods named after what they do are HTTP
// handlers. It is safe for concurrent use.
type Otter struct {
	mu        sync.Mutex
	entries   map[kind]map[string]*entry
	variables map[scope]map[string]variable
	templates map[string]template
	jobs      map[string]*job // by token

	// remediations are those whose outcome has not been applied to the servers yet.
	remediations []*job

	lastEntry, lastJob, lastCollection int
}

// New returns an Otter that manages nothing: no entries, no variables, and no job templates.
func New() *Otter {
	return &Otter{
		entries: map[kind]map[string]*entry{
			serverKind: {}, roleKind: {}, environmentKind: {},
		},
		variables: map[scope]map[string]variable{},
		templates: map[string]template{},
		jobs:      map[string]*job{},
	}
}
