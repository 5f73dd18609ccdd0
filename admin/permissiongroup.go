package admin

import (
	"slices"
	"strings"

	"github.com/seed-be062aaa/apikey"
)

// A permissionGroup is a set of check boxes for the permissions of one category.
type permissionGroup struct {
	Legend  string // empty where the entries say it all
	Entries []apikey.Entry
}

// groupPermissions puts a catalog's permissions into groups, each where its first
// entry stands. Neighbours that need no legend are one group.
func groupPermissions(catalog apikey.Catalog) []permissionGroup {
	var categories []apikey.Permission
	members := map[apikey.Permission][]apikey.Entry{}
	for _, e := range catalog {
		category := e.Permission.Category()
		if _, there := members[category]; !there {
			categories = append(categories, category)
		}
		members[category] = append(members[category], e)
	}
	groups := make([]permissionGroup, 0, len(categories))
	for _, category := range categories {
		g := newPermissionGroup(category, members[category])
		if last := len(groups) - 1; last >= 0 && g.Legend == "" && groups[last].Legend == "" {
			groups[last].Entries = append(groups[last].Entries, g.Entries...)
			continue
		}
		groups = append(groups, g)
	}
	return groups
}

// newPermissionGroup takes the legend from the descriptions where all of them begin
// with the same "Legend: ", as Otter's do.
func newPermissionGroup(category apikey.Permission, entries []apikey.Entry) permissionGroup {
	legend, _, found := strings.Cut(entries[0].Description, ": ")
	for _, e := range entries {
		found = found && strings.HasPrefix(e.Description, legend+": ")
	}
	if found {
		g := permissionGroup{Legend: legend}
		for _, e := range entries {
			e.Description = capital(strings.TrimPrefix(e.Description, legend+": "))
			g.Entries = append(g.Entries, concise(e))
		}
		return g
	}
	if len(entries) == 1 {
		return permissionGroup{"", entries}
	}
	return permissionGroup{capital(string(category)), entries}
}

// concise leaves out a description that only repeats the label.
func concise(e apikey.Entry) apikey.Entry {
	if e.Description == e.Label {
		e.Description = ""
	}
	return e
}

// others returns the group of permissions that a key holds and that have no check
// box of their own, so that saving the key takes none of them away.
func (o *office) others(held []apikey.Permission) []permissionGroup {
	catalog := o.auth.Catalog()
	var entries []apikey.Entry
	for _, p := range held {
		is := func(e apikey.Entry) bool { return e.Permission == p }
		within := func(e apikey.Entry) bool { return e.Permission.Category() == p }
		switch {
		case slices.ContainsFunc(catalog, is):
		case slices.ContainsFunc(catalog, within):
			entries = append(entries, apikey.Entry{Permission: p, Label: string(p), Description: "All of this category"})
		default:
			entries = append(entries, apikey.Entry{
				Permission: p, Label: string(p), Description: "Unknown to this server: grants nothing",
			})
		}
	}
	if entries == nil {
		return nil
	}
	return []permissionGroup{{"Other permissions", entries}}
}
