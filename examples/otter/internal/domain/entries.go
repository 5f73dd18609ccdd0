package domain

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// kind says which of the three sorts of infrastructure an entry is.
type kind string

const (
	serverKind      kind = "server"
	roleKind        kind = "role"
	environmentKind kind = "environment"
)

// kindNamed returns the kind that a word in a path or a parameter's name stands for.
func kindNamed(word string) (kind, bool) {
	switch k := kind(word); k {
	case serverKind, roleKind, environmentKind:
		return k, true
	}
	return "", false
}

// entry is a server, a role or an environment. Others refer to it by pointer, so that it can be
// renamed without anybody noticing.
type entry struct {
	id   int
	kind kind
	name string

	parent *entry // of an environment; nil for none

	// The rest is a server's.

	active       bool
	roles        []*entry
	environments []*entry

	// applied are the roles that the server's configuration is known to follow: a role that the
	// server has but that is not among them is what drift consists of.
	applied []*entry
	// fault is what keeps the server from being checked or remediated, as a sentence; mostly empty.
	fault        string
	collectedAt  time.Time // zero before the first check
	collectionID int
}

// entry looks an existing entry up. o.mu is held.
func (o *Otter) entry(k kind, name string) (*entry, error) {
	if e, ok := o.entries[k][name]; ok {
		return e, nil
	}
	return nil, refuse(http.StatusNotFound, "The %s %q does not exist.", k, name)
}

// sorted returns all entries of a kind by name. o.mu is held.
func (o *Otter) sorted(k kind) []*entry {
	return slices.SortedFunc(maps.Values(o.entries[k]), byName)
}

func byName(a, b *entry) int { return cmp.Compare(a.name, b.name) }

// refersTo reports whether e is other, or is a server with that role or in that environment.
func (e *entry) refersTo(other *entry) bool {
	return e == other || slices.Contains(e.roles, other) || slices.Contains(e.environments, other)
}

// remove deletes e and every mention of it: its variables, its place in servers, and its place as a
// parent, which passes to its own parent. o.mu is held.
func (o *Otter) remove(e *entry) {
	delete(o.entries[e.kind], e.name)
	for _, server := range o.entries[serverKind] {
		server.roles = without(server.roles, e)
		server.applied = without(server.applied, e)
		server.environments = without(server.environments, e)
	}
	for _, environment := range o.entries[environmentKind] {
		if environment.parent == e {
			environment.parent = e.parent
		}
	}
	for where := range o.variables {
		if where.server == e || where.role == e || where.environment == e {
			delete(o.variables, where)
		}
	}
}

// without returns entries less e, in memory of its own.
func without(entries []*entry, e *entry) []*entry {
	return slices.DeleteFunc(slices.Clone(entries), func(x *entry) bool { return x == e })
}

func names(entries []*entry) []string {
	list := []string{} // an empty list is [] in JSON, not null
	for _, e := range entries {
		list = append(list, e.name)
	}
	return list
}

// nameOf returns the name of an entry, or nil if there is none. It is a copy: the answer is written
// after o.mu is let go, and by then the entry may be renamed.
func nameOf(e *entry) *string {
	if e == nil {
		return nil
	}
	return new(e.name)
}

// draft is what a request wants an entry to be, not yet checked against the other entries.
type draft struct {
	name         string
	active       bool
	roles        []string
	environments []string
	parent       string // empty for none

	variables map[string]variable // nil to leave them
}

// draft returns e as it is now, so that properties absent from a request stay.
func (e *entry) draft() draft {
	d := draft{
		name:         e.name,
		active:       e.active,
		roles:        names(e.roles),
		environments: names(e.environments),
	}
	if e.parent != nil {
		d.parent = e.parent.name
	}
	return d
}

// legalProperties lists what the entries of a kind consist of.
func legalProperties(k kind) []string {
	switch k {
	case serverKind:
		return []string{"name", "roles", "environments", "active", "variables"}
	case environmentKind:
		return []string{"name", "parentName", "variables"}
	default:
		return []string{"name", "variables"}
	}
}

// read takes over the properties in body, a JSON object. An empty body has none.
func (d *draft) read(k kind, body []byte) error {
	if len(body) == 0 {
		return nil
	}
	members, err := parseObject(body)
	if err != nil {
		return err
	}
	for _, m := range members {
		if legal := legalProperties(k); !slices.Contains(legal, m.name) {
			return refuse(http.StatusUnprocessableEntity,
				"Property %q is unknown: the properties of the %s are %s.", m.name, k, strings.Join(legal, ", "))
		}
		if err := d.set(m); err != nil {
			return err
		}
	}
	return nil
}

// set takes over one property that is legal for the kind of entry.
func (d *draft) set(m member) (err error) {
	switch m.name {
	case "name":
		d.name, err = decode[string](m, legalString)
	case "active":
		d.active, err = decode[bool](m, legalBool)
	case "roles":
		d.roles, err = decode[[]string](m, legalNames)
	case "environments":
		d.environments, err = decode[[]string](m, legalNames)
	case "parentName":
		if d.parent = ""; !m.null() {
			d.parent, err = decode[string](m, "the name of an environment, or null for no parent")
		}
	case "variables":
		if _, err = decode[map[string]json.RawMessage](m, legalVariables); err == nil {
			d.variables, err = parseVariables(m.value)
		}
	}
	return err
}

// put makes e what d says and keeps it, or changes nothing and says why. o.mu is held.
func (o *Otter) put(e *entry, d draft) error {
	next := *e
	if err := o.resolve(e, d, &next); err != nil {
		return err
	}
	if e.id == 0 {
		o.lastEntry++
		next.id = o.lastEntry
	}
	delete(o.entries[e.kind], e.name)
	*e = next
	o.entries[e.kind][e.name] = e
	if d.variables != nil {
		o.variables[scopeOf(e)] = d.variables
	}
	return nil
}

// resolve checks d as the future of e and writes it to next. o.mu is held.
func (o *Otter) resolve(e *entry, d draft, next *entry) (err error) {
	if err := checkEntryName(e.kind, d.name); err != nil {
		return err
	}
	if other, taken := o.entries[e.kind][d.name]; taken && other != e {
		return refuse(http.StatusUnprocessableEntity,
			"The %s %q exists already: use another name, or update it.", e.kind, d.name)
	}
	next.name, next.active = d.name, d.active
	if next.roles, err = o.references(roleKind, d.roles); err != nil {
		return err
	}
	if next.environments, err = o.references(environmentKind, d.environments); err != nil {
		return err
	}
	return o.resolveParent(e, d.parent, next)
}

// references looks up what a server refers to by name. o.mu is held.
func (o *Otter) references(k kind, names []string) ([]*entry, error) {
	var found []*entry
	for _, name := range names {
		e, err := o.reference(k, name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(found, e) {
			return nil, refuse(http.StatusUnprocessableEntity,
				"The %s %q is listed twice: list it once.", k, name)
		}
		found = append(found, e)
	}
	return found, nil
}

// reference looks up what a body refers to by name. What is missing is a fault of the body, so the
// answer is not 404. o.mu is held.
func (o *Otter) reference(k kind, name string) (*entry, error) {
	if e, ok := o.entries[k][name]; ok {
		return e, nil
	}
	return nil, refuse(http.StatusUnprocessableEntity,
		"The %s %q does not exist: create it first.", k, name)
}

// resolveParent writes the environment called parent, which must not descend from e, to next as the
// future parent of e. o.mu is held.
func (o *Otter) resolveParent(e *entry, parent string, next *entry) (err error) {
	if next.parent = nil; parent == "" {
		return nil
	}
	if next.parent, err = o.reference(environmentKind, parent); err != nil {
		return err
	}
	for p := next.parent; p != nil; p = p.parent {
		if p == e {
			return refuse(http.StatusUnprocessableEntity, "The environment %q cannot be the parent: "+
				"choose one that is neither %q nor below it.", parent, e.name)
		}
	}
	return nil
}
