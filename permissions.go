package apikey

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Permission is what a route needs and a key may hold: a category, or a
// category and an action as in "jobs:view". Each part begins with a lower-case
// ASCII letter; more of them, digits, "-", "_" and "." may follow.
type Permission string

// Otter's permissions, and after them this library's own.
const (
	Native               Permission = "native" // full control
	JobsView             Permission = "jobs:view"
	JobsTrigger          Permission = "jobs:trigger"
	InfrastructureView   Permission = "infrastructure:view"
	InfrastructureUpdate Permission = "infrastructure:update"
	InfrastructureUsage  Permission = "infrastructure:usage"
	Variables            Permission = "variables"
	Configuration        Permission = "configuration"

	KeysManage Permission = "keys:manage" // manage API keys
	LogsView   Permission = "logs:view"   // read the access log
)

// Category returns the part before the colon, or all of a permission that has
// none.
func (p Permission) Category() Permission {
	category, _, _ := strings.Cut(string(p), ":")
	return Permission(category)
}

// An Entry describes one permission of a [Catalog].
type Entry struct {
	Permission  Permission `json:"permission"`
	Label       string     `json:"label"`
	Description string     `json:"description"`
	// Full marks full control: a key that holds it holds all others, those
	// added later too.
	Full bool `json:"full"`
}

// A Catalog lists the permissions that a server knows, in the order in which an
// administration page shows them. Routes and new grants may name its entries
// and the categories of its entries. A key that holds a category holds every
// action in it, save a Full one. A key that holds a Full entry holds everything.
// Nothing else implies anything.
type Catalog []Entry

// OtterCatalog returns a new Catalog of Otter's permissions and the library's
// own. Append to it, or make another.
func OtterCatalog() Catalog {
	return Catalog{
		{Native, "Native API", "Full control", true},
		{JobsTrigger, "Trigger jobs", "Job orchestration: trigger jobs externally", false},
		{JobsView, "View jobs", "Job orchestration: view job status and logs", false},
		{InfrastructureView, "View infrastructure", "Infrastructure management: list servers, roles and environments", false},
		{InfrastructureUpdate, "Update infrastructure", "Infrastructure management: create, change and delete servers, roles and environments", false},
		{InfrastructureUsage, "Package and container usage", "Infrastructure management: package and container usage", false},
		{Variables, "Variables", "Variables management: read and set variables", false},
		{Configuration, "Configuration", "Configuration management: check and remediate servers", false},
		{KeysManage, "Manage API keys", "Create, change and delete API keys", false},
		{LogsView, "View access logs", "Read the access log", false},
	}
}

// validate reports every mistake in the catalog.
func (c Catalog) validate() error {
	var errs []error
	for i, e := range c {
		if err := e.Permission.validate(); err != nil {
			errs = append(errs, err)
		}
		if slices.ContainsFunc(c[:i], func(o Entry) bool { return o.Permission == e.Permission }) {
			errs = append(errs, fmt.Errorf("apikey: the catalog lists %q twice", e.Permission))
		}
	}
	return errors.Join(errs...)
}

func (p Permission) validate() error {
	category, action, hasAction := strings.Cut(string(p), ":")
	if !isName(category) || hasAction && !isName(action) {
		return fmt.Errorf("apikey: permission %q is not of the form category or category:action, "+
			"each a lower-case letter followed by lower-case letters, digits, '-', '_' or '.'", p)
	}
	return nil
}

func isName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z':
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'):
		default:
			return false
		}
	}
	return s != ""
}

// knows reports whether p is an entry or the category of one.
func (c Catalog) knows(p Permission) bool {
	return slices.ContainsFunc(c, func(e Entry) bool {
		return e.Permission == p || e.Permission.Category() == p
	})
}

// known returns those of perms that the catalog knows.
func (c Catalog) known(perms []Permission) []Permission {
	return slices.DeleteFunc(slices.Clone(perms), func(p Permission) bool { return !c.knows(p) })
}

// unknown returns those of perms that the catalog does not know.
func (c Catalog) unknown(perms []Permission) []Permission {
	return slices.DeleteFunc(slices.Clone(perms), c.knows)
}

func (c Catalog) full(p Permission) bool {
	return slices.ContainsFunc(c, func(e Entry) bool { return e.Full && e.Permission == p })
}

func joinPermissions(perms []Permission, separator string) string {
	names := make([]string, len(perms))
	for i, p := range perms {
		names[i] = string(p)
	}
	return strings.Join(names, separator)
}

// list names the catalog's permissions for an error message.
func (c Catalog) list() string {
	names := make([]Permission, len(c))
	for i, e := range c {
		names[i] = e.Permission
	}
	return joinPermissions(names, ", ")
}

// Grants reports whether a key that holds held may do what needs need, as
// [Authority.Require] would say. What the catalog does not know nobody may. It is for
// handlers that show more to some than to others:
//
//	key, _ := apikey.FromContext(r.Context())
//	mayTrigger := catalog.Grants(key.Permissions, apikey.JobsTrigger)
func (c Catalog) Grants(held []Permission, need Permission) bool {
	return c.knows(need) && c.grants(held, need)
}

// grants reports whether someone who holds held may do what needs need, which the
// catalog knows. What it has dropped thus grants nothing: nothing needs it.
func (c Catalog) grants(held []Permission, need Permission) bool {
	if slices.Contains(held, need) { // mostly, and quickly
		return true
	}
	category := need.Category()
	for _, h := range held {
		if h == category && !c.full(need) || c.full(h) {
			return true
		}
	}
	return false
}

// missing returns those of need that held does not grant.
func (c Catalog) missing(held, need []Permission) []Permission {
	var missing []Permission
	for _, p := range need {
		if !c.grants(held, p) {
			missing = append(missing, p)
		}
	}
	return missing
}

// A Need is what a route asks of a key. The zero value, and one that names no
// permission or an unknown one, is refused with [ErrUndeclared].
type Need struct {
	kind  needKind
	perms []Permission
	text  string // what String returns: entries of the access log have it
}

type needKind uint8

const (
	needUndeclared needKind = iota
	needAll
	needAny
	needKey
)

// AllOf needs every one of perms.
func AllOf(perms ...Permission) Need { return newNeed(needAll, perms, " + ") }

// AnyOf needs at least one of perms.
func AnyOf(perms ...Permission) Need { return newNeed(needAny, perms, " | ") }

// AnyKey needs a valid key, whatever its permissions.
func AnyKey() Need { return Need{kind: needKey, text: "any key"} }

func newNeed(kind needKind, perms []Permission, sign string) Need {
	return Need{kind, slices.Clone(perms), joinPermissions(perms, sign)}
}

// Permissions returns the permissions that the need names.
func (n Need) Permissions() []Permission { return slices.Clone(n.perms) }

// String names the permissions, joined by "+" where all are needed and by "|"
// where one of them is.
func (n Need) String() string { return n.text }

// validate reports a need that nobody could have meant.
func (n Need) validate(c Catalog) error {
	if n.kind == needKey {
		return nil
	}
	if len(n.perms) == 0 {
		return errors.New("no permission is named; to accept any valid key, use RequireKey or AnyKey")
	}
	if !slices.ContainsFunc(n.perms, func(p Permission) bool { return !c.knows(p) }) {
		return nil
	}
	return fmt.Errorf("unknown permission %q; the catalog has: %s", c.unknown(n.perms), c.list())
}

// unmet returns the permissions for want of which held does not meet the need.
// It allocates only where there are some.
func (n *Need) unmet(c Catalog, held []Permission) []Permission {
	switch n.kind {
	case needKey:
		return nil
	case needAny:
		for _, p := range n.perms {
			if c.grants(held, p) {
				return nil
			}
		}
		return slices.Clone(n.perms)
	default:
		return c.missing(held, n.perms)
	}
}
