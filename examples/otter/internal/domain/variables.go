package domain

import (
	"encoding/json"
	"net/http"
)

// scope says what a variable belongs to. The zero scope is global; one with more than one entry
// holds for, say, a server only while it is in an environment.
type scope struct {
	server, role, environment *entry
}

// scopeOf returns the scope of the variables that belong to e and to nothing else.
func scopeOf(e *entry) scope {
	switch e.kind {
	case serverKind:
		return scope{server: e}
	case roleKind:
		return scope{role: e}
	default:
		return scope{environment: e}
	}
}

// variable is the value of a configuration variable, and whether it is to be hidden from those who
// may see the infrastructure but not the variables.
type variable struct {
	value     string
	sensitive bool
}

// sensitiveView is a sensitive variable as it is shown. Value is null where it is hidden.
type sensitiveView struct {
	Value     *string `json:"value"`
	Sensitive bool    `json:"sensitive"`
}

// plainObject returns variables as a JSON object that shows every value.
func plainObject(variables map[string]variable) map[string]any {
	object := map[string]any{}
	for name, v := range variables {
		if object[name] = v.value; v.sensitive {
			object[name] = sensitiveView{&v.value, true}
		}
	}
	return object
}

// maskedObject returns variables as a JSON object that hides the sensitive values.
func maskedObject(variables map[string]variable) map[string]any {
	object := plainObject(variables)
	for name, v := range variables {
		if v.sensitive {
			object[name] = sensitiveView{nil, true}
		}
	}
	return object
}

// parseVariables reads the JSON object of variables that text must be. The result is not nil, even
// if there are none.
func parseVariables(text []byte) (map[string]variable, error) {
	members, err := parseObject(text)
	if err != nil {
		return nil, err
	}
	variables := map[string]variable{}
	for _, m := range members {
		if err := checkVariableName(m.name); err != nil {
			return nil, err
		}
		if variables[m.name], err = parseVariable(m); err != nil {
			return nil, err
		}
	}
	return variables, nil
}

// parseVariable reads a value, which is a string or an object. A null value is refused rather than
// taken for empty, so that an entry listed with its secrets masked and sent back keeps them.
func parseVariable(m member) (variable, error) {
	if value, err := decode[string](m, legalString); err == nil {
		return variable{value: value}, nil
	}
	if v, err := parseVariableObject(m.value); err == nil {
		return v, nil
	}
	return variable{}, refuse(http.StatusUnprocessableEntity,
		"Variable %q must be a string or {\"value\": \"…\", \"sensitive\": true}.", m.name)
}

func parseVariableObject(text json.RawMessage) (v variable, err error) {
	members, err := parseObject(text)
	if err != nil {
		return v, err
	}
	valued := false
	for _, m := range members {
		switch m.name {
		case "value":
			valued = true
			v.value, err = decode[string](m, legalString)
		case "sensitive":
			v.sensitive, err = decode[bool](m, legalBool)
		default:
			err = unknownProperty(m.name, "value and sensitive")
		}
		if err != nil {
			return v, err
		}
	}
	if !valued {
		return v, missingProperty("value")
	}
	return v, nil
}

func unknownProperty(name, legal string) error {
	return refuse(http.StatusUnprocessableEntity,
		"Property %q is unknown: a variable has %s.", name, legal)
}

func missingProperty(name string) error {
	return refuse(http.StatusUnprocessableEntity, "Property %q is missing: it is a string.", name)
}

// scopeInPath returns the scope that the path parameters type and entity name, and the global one
// where the pattern has no type. o.mu is held.
func (o *Otter) scopeInPath(r *http.Request) (scope, error) {
	word := pathParam(r, "type")
	if word == "" {
		return scope{}, nil
	}
	k, ok := kindNamed(word)
	if !ok {
		return scope{}, refuse(http.StatusBadRequest,
			"%q has no variables: use server, role, environment or global.", word)
	}
	e, err := o.entry(k, pathParam(r, "entity"))
	if err != nil {
		return scope{}, err
	}
	return scopeOf(e), nil
}

// Variables answers with the variables of the entry that the path parameters type and entity
// describe, or with the global ones where the pattern has no such parameters. It is a JSON object;
// a sensitive variable is an object in it, with its value.
func (o *Otter) Variables(w http.ResponseWriter, r *http.Request) {
	object, err := o.scopeObject(r)
	if err != nil {
		answerError(w, err)
		return
	}
	answerJSON(w, http.StatusOK, object)
}

func (o *Otter) scopeObject(r *http.Request) (map[string]any, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	where, err := o.scopeInPath(r)
	return plainObject(o.variables[where]), err
}

// SetVariables replaces the variables that [Otter.Variables] answers with by the members of the
// JSON object in the body. Those that the body does not have are deleted.
func (o *Otter) SetVariables(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r)
	if err == nil {
		err = o.setVariables(r, body)
	}
	answerEmpty(w, err)
}

func (o *Otter) setVariables(r *http.Request, body []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	where, err := o.scopeInPath(r)
	if err != nil {
		return err
	}
	variables, err := parseVariables(body)
	if err != nil {
		return err
	}
	o.variables[where] = variables
	return nil
}

// Variable answers with the bare value of the variable that the path parameter variable names, in
// the scope that the others describe, sensitive or not.
func (o *Otter) Variable(w http.ResponseWriter, r *http.Request) {
	value, err := o.variableInPath(r)
	if err != nil {
		answerError(w, err)
		return
	}
	answerText(w, value)
}

func (o *Otter) variableInPath(r *http.Request) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	where, err := o.scopeInPath(r)
	if err != nil {
		return "", err
	}
	name := pathParam(r, "variable")
	v, ok := o.variables[where][name]
	if !ok {
		return "", missingVariable(name)
	}
	return v.value, nil
}

func missingVariable(name string) error {
	return refuse(http.StatusNotFound, "Variable %q does not exist in this scope.", name)
}

// SetVariable takes the body, byte by byte and whatever its Content-Type, for the value of the
// variable that the path describes. A variable that exists stays sensitive if it is; a new one is
// not.
func (o *Otter) SetVariable(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r)
	if err == nil {
		err = o.setVariable(r, string(body))
	}
	answerEmpty(w, err)
}

func (o *Otter) setVariable(r *http.Request, value string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	where, err := o.scopeInPath(r)
	if err != nil {
		return err
	}
	name := pathParam(r, "variable")
	if err := checkVariableName(name); err != nil {
		return err
	}
	o.setIn(where, name, variable{value, o.variables[where][name].sensitive})
	return nil
}

// setIn stores one variable. o.mu is held.
func (o *Otter) setIn(where scope, name string, v variable) {
	if o.variables[where] == nil {
		o.variables[where] = map[string]variable{}
	}
	o.variables[where][name] = v
}

// deleteIn deletes one variable, which must exist. o.mu is held.
func (o *Otter) deleteIn(where scope, name string) error {
	if _, ok := o.variables[where][name]; !ok {
		return missingVariable(name)
	}
	delete(o.variables[where], name)
	return nil
}

// DeleteVariable deletes the variable that the path describes.
func (o *Otter) DeleteVariable(w http.ResponseWriter, r *http.Request) {
	answerEmpty(w, o.deleteVariable(r))
}

func (o *Otter) deleteVariable(r *http.Request) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	where, err := o.scopeInPath(r)
	if err != nil {
		return err
	}
	return o.deleteIn(where, pathParam(r, "variable"))
}
