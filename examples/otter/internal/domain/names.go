package domain

import (
	"net/http"
	"regexp"
)

var (
	entryName    = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_-]{0,48}[A-Za-z0-9])?$`)
	variableName = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9 _-]{0,48}[A-Za-z0-9])?$`)
)

// checkEntryName refuses a name that no server, role or environment may have.
func checkEntryName(k kind, name string) error {
	if entryName.MatchString(name) {
		return nil
	}
	return refuse(http.StatusUnprocessableEntity, "%q is not a legal %s name: use at most 50 letters, "+
		"digits, dashes and underscores, a letter first, no dash or underscore last.", name, k)
}

// checkVariableName refuses a name that no configuration variable may have.
func checkVariableName(name string) error {
	if variableName.MatchString(name) {
		return nil
	}
	return refuse(http.StatusUnprocessableEntity, "%q is not a legal variable name: use at most 50 letters, "+
		"digits, spaces, dashes and underscores, a letter first, a letter or digit last.", name)
}
