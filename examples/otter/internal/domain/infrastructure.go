package domain

import (
	"net/http"
	"strings"
)

// Entries as they are shown. Variables are those of the entry alone.
type (
	serverView struct {
		Name         string         `json:"name"`
		Roles        []string       `json:"roles"`
		Environments []string       `json:"environments"`
		Active       bool           `json:"active"`
		Variables    map[string]any `json:"variables"`
	}
	roleView struct {
		Name      string         `json:"name"`
		Variables map[string]any `json:"variables"`
	}
	environmentView struct {
		Name       string         `json:"name"`
		ParentName *string        `json:"parentName"`
		Variables  map[string]any `json:"variables"`
	}
)

// view returns e as it is shown to those who may see the infrastructure. The values of sensitive
// variables are null: seeing those takes the permission for variables. o.mu is held.
func (o *Otter) view(e *entry) any {
	variables := maskedObject(o.variables[scopeOf(e)])
	switch e.kind {
	case serverKind:
		return serverView{e.name, names(e.roles), names(e.environments), e.active, variables}
	case environmentKind:
		return environmentView{e.name, nameOf(e.parent), variables}
	default:
		return roleView{e.name, variables}
	}
}

// kindInPath returns the kind that the path parameter entries stands for.
func kindInPath(r *http.Request) (kind, error) {
	word := pathParam(r, "entries")
	if singular, ok := strings.CutSuffix(word, "s"); ok {
		if k, ok := kindNamed(singular); ok {
			return k, nil
		}
	}
	return "", refuse(http.StatusNotFound,
		"There are no entries called %q: use servers, roles or environments.", word)
}

// ListEntries answers with the entries of the kind that the path parameter entries names, by name.
// The parameter name, if given, leaves the entry of exactly that name, or none.
func (o *Otter) ListEntries(w http.ResponseWriter, r *http.Request) {
	k, err := kindInPath(r)
	if err != nil {
		answerError(w, err)
		return
	}
	params, err := parameters(w, r)
	if err != nil {
		answerError(w, err)
		return
	}
	answerJSON(w, http.StatusOK, o.listEntries(k, params["name"]))
}

func (o *Otter) listEntries(k kind, name string) []any {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := []any{}
	for _, e := range o.sorted(k) {
		if name == "" || name == e.name {
			list = append(list, o.view(e))
		}
	}
	return list
}

// CreateEntry creates the entry that the path parameters entries and name describe. The body is a
// JSON object of its properties, or empty for the defaults: a server is active, and all else is
// empty.
func (o *Otter) CreateEntry(w http.ResponseWriter, r *http.Request) {
	o.changeEntry(w, r, http.StatusCreated, o.createEntry)
}

// UpdateEntry changes the entry that the path parameters entries and name describe. The body is a
// JSON object of the properties to change; lists and variables are replaced whole. A new name
// renames the entry, and whatever refers to it follows.
func (o *Otter) UpdateEntry(w http.ResponseWriter, r *http.Request) {
	o.changeEntry(w, r, http.StatusOK, o.updateEntry)
}

// changeEntry reads a request for the function that does the work, and answers with the entry.
func (o *Otter) changeEntry(w http.ResponseWriter, r *http.Request, status int,
	change func(k kind, name string, body []byte) (any, error),
) {
	k, err := kindInPath(r)
	if err != nil {
		answerError(w, err)
		return
	}
	body, err := readBody(w, r)
	if err != nil {
		answerError(w, err)
		return
	}
	entry, err := change(k, pathParam(r, "name"), body)
	if err != nil {
		answerError(w, err)
		return
	}
	answerJSON(w, status, entry)
}

func (o *Otter) createEntry(k kind, name string, body []byte) (any, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := &entry{kind: k, name: name, active: true}
	d := e.draft()
	if err := d.read(k, body); err != nil {
		return nil, err
	}
	if d.name != name {
		return nil, refuse(http.StatusUnprocessableEntity,
			"Property \"name\" must be the name in the path, %q, or be absent.", name)
	}
	if err := o.put(e, d); err != nil {
		return nil, err
	}
	return o.view(e), nil
}

func (o *Otter) updateEntry(k kind, name string, body []byte) (any, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settle()
	e, err := o.entry(k, name)
	if err != nil {
		return nil, err
	}
	d := e.draft()
	if err := d.read(k, body); err != nil {
		return nil, err
	}
	if err := o.put(e, d); err != nil {
		return nil, err
	}
	return o.view(e), nil
}

// DeleteEntry deletes the entry that the path parameters entries and name describe, with its
// variables. Servers lose a deleted role or environment; environments below a deleted one move up
// to its parent.
func (o *Otter) DeleteEntry(w http.ResponseWriter, r *http.Request) {
	k, err := kindInPath(r)
	if err != nil {
		answerError(w, err)
		return
	}
	answerEmpty(w, o.deleteEntry(k, pathParam(r, "name")))
}

func (o *Otter) deleteEntry(k kind, name string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	e, err := o.entry(k, name)
	if err != nil {
		return err
	}
	o.remove(e)
	return nil
}
