package domain

import (
	"cmp"
	"net/http"
	"slices"
)

// scopedView is a variable with its scope. Sensitive values are shown.
type scopedView struct {
	Name        string  `json:"name"`
	Value       string  `json:"value"`
	Sensitive   bool    `json:"sensitive"`
	Server      *string `json:"server"`
	Role        *string `json:"role"`
	Environment *string `json:"environment"`
}

// scoped returns every variable there is, by name and then by scope. o.mu is held.
func (o *Otter) scoped() []scopedView {
	views := []scopedView{}
	for where, variables := range o.variables {
		for name, v := range variables {
			views = append(views, scopedView{
				name, v.value, v.sensitive,
				nameOf(where.server), nameOf(where.role), nameOf(where.environment),
			})
		}
	}
	slices.SortFunc(views, func(a, b scopedView) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), compareNames(a.Server, b.Server),
			compareNames(a.Role, b.Role), compareNames(a.Environment, b.Environment))
	})
	return views
}

// compareNames puts none before any.
func compareNames(a, b *string) int {
	var none string
	return cmp.Compare(*cmp.Or(a, &none), *cmp.Or(b, &none))
}

// scopedVariable is a variable with its scope, as a request gives it.
type scopedVariable struct {
	scope

	name           string
	valued, marked bool // whether the request has a value, and says if it is sensitive
	variable
}

// ScopedVariables answers with all variables of all scopes, as a JSON array.
func (o *Otter) ScopedVariables(w http.ResponseWriter, _ *http.Request) {
	o.mu.Lock()
	views := o.scoped()
	o.mu.Unlock()
	answerJSON(w, http.StatusOK, views)
}

// SetScopedVariables replaces all variables of all scopes by those in the body, a JSON array.
func (o *Otter) SetScopedVariables(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r)
	if err == nil {
		err = o.setScopedVariables(body)
	}
	answerEmpty(w, err)
}

func (o *Otter) setScopedVariables(body []byte) error {
	elements, err := parseArray(body)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	next := map[scope]map[string]variable{}
	for _, element := range elements {
		v, err := o.parseScoped(element)
		if err != nil {
			return err
		}
		if !v.valued {
			return missingProperty("value")
		}
		if _, repeated := next[v.scope][v.name]; repeated {
			return refuse(http.StatusUnprocessableEntity,
				"Variable %q is repeated in one scope: list it once.", v.name)
		}
		if next[v.scope] == nil {
			next[v.scope] = map[string]variable{}
		}
		next[v.scope][v.name] = v.variable
	}
	o.variables = next
	return nil
}

// parseScoped reads one variable with its scope from a JSON object. o.mu is held.
func (o *Otter) parseScoped(text []byte) (v scopedVariable, err error) {
	members, err := parseObject(text)
	if err != nil {
		return v, err
	}
	named := false
	for _, m := range members {
		named = named || m.name == "name"
		if err := o.setScopedProperty(&v, m); err != nil {
			return v, err
		}
	}
	if !named {
		return v, missingProperty("name")
	}
	return v, checkVariableName(v.name)
}

// setScopedProperty takes one property over into v. o.mu is held.
func (o *Otter) setScopedProperty(v *scopedVariable, m member) (err error) {
	switch m.name {
	case "name":
		v.name, err = decode[string](m, legalString)
	case "value":
		v.valued = true
		v.value, err = decode[string](m, legalString)
	case "sensitive":
		v.marked = true
		v.sensitive, err = decode[bool](m, legalBool)
	case "server":
		err = o.setScopeMember(&v.server, serverKind, m)
	case "role":
		err = o.setScopeMember(&v.role, roleKind, m)
	case "environment":
		err = o.setScopeMember(&v.environment, environmentKind, m)
	default:
		err = unknownProperty(m.name, "name, value, sensitive, server, role and environment")
	}
	return err
}

// setScopeMember looks up the entry that a member names; null stands for none. o.mu is held.
func (o *Otter) setScopeMember(e **entry, k kind, m member) error {
	if m.null() {
		return nil
	}
	name, err := decode[string](m, "the name of a "+string(k)+", or null for any")
	if err != nil {
		return err
	}
	*e, err = o.reference(k, name)
	return err
}

// SetScopedVariable creates or changes the variable that the JSON object in the body describes: the
// one of that name in exactly that scope. Where the body does not say whether it is sensitive, a
// variable that exists stays as it is, and a new one is not.
func (o *Otter) SetScopedVariable(w http.ResponseWriter, r *http.Request) {
	o.changeScoped(w, r, func(v scopedVariable) error {
		if !v.valued {
			return missingProperty("value")
		}
		if !v.marked {
			v.sensitive = o.variables[v.scope][v.name].sensitive
		}
		o.setIn(v.scope, v.name, v.variable)
		return nil
	})
}

// DeleteScopedVariable deletes the variable that the JSON object in the body describes: the one of
// that name in exactly that scope. A value in the body makes no difference.
func (o *Otter) DeleteScopedVariable(w http.ResponseWriter, r *http.Request) {
	o.changeScoped(w, r, func(v scopedVariable) error { return o.deleteIn(v.scope, v.name) })
}

// changeScoped hands the variable in the body to change, with o.mu held.
func (o *Otter) changeScoped(w http.ResponseWriter, r *http.Request, change func(scopedVariable) error) {
	body, err := readBody(w, r)
	if err != nil {
		answerError(w, err)
		return
	}
	o.mu.Lock()
	v, err := o.parseScoped(body)
	if err == nil {
		err = change(v)
	}
	o.mu.Unlock()
	answerEmpty(w, err)
}
