package apikey

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The bounds of what a [KeySpec] holds. Texts are counted in characters.
const (
	maxName        = 200
	maxDescription = 2000
	maxMetadata    = 4 << 10 // bytes, names and values together
	maxPermissions = 1000
)

// A KeySpec is what can be chosen about a key, and changed later.
type KeySpec struct {
	// Name has up to 200 characters, Description up to 2,000, Subject up to 200.
	Name        string
	Description string
	Subject     string
	// Permissions are of the catalog, each once, up to 1,000.
	Permissions []Permission
	Logging     Logging
	Disabled    bool
	// ExpiresAt lies in the future, or is zero: never.
	ExpiresAt time.Time
	// Metadata is the host's own, up to 4 KiB in all.
	Metadata map[string]string
}

// Spec returns what can be changed about the key, as it stands:
//
//	spec := key.Spec()
//	spec.Disabled = true
//	key, err = auth.Update(ctx, key.ID, key.Version, spec)
func (k *Key) Spec() KeySpec {
	return KeySpec{
		Name:        k.Name,
		Description: k.Description,
		Subject:     k.Subject,
		Permissions: slices.Clone(k.Permissions),
		Logging:     k.Logging,
		Disabled:    k.Disabled,
		ExpiresAt:   k.ExpiresAt,
		Metadata:    maps.Clone(k.Metadata),
	}
}

// apply sets the key to what the spec says.
func (s KeySpec) apply(k *Key) {
	k.Name = s.Name
	k.Description = s.Description
	k.Subject = s.Subject
	k.Permissions = slices.Clone(s.Permissions)
	k.Logging = s.Logging
	k.Disabled = s.Disabled
	k.ExpiresAt = storable(s.ExpiresAt)
	k.Metadata = maps.Clone(s.Metadata)
}

// storable returns a time as every store can keep it.
func storable(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// A FieldError says what is wrong with one field, named as in JSON, and what is
// legal. Several come joined, see [errors.Join].
type FieldError struct {
	Field   string
	Problem string

	cause error
}

// Error returns the field and the problem.
func (e *FieldError) Error() string { return "apikey: " + e.Field + " " + e.Problem }

// Unwrap returns the error of the host's policy where that found the mistake, or
// nil.
func (e *FieldError) Unwrap() error { return e.cause }

// validate reports every mistake in the spec of a key that is, or before was
// nil, will be. What before has already may stay.
func (s KeySpec) validate(c Catalog, before *Key, now time.Time) error {
	var errs []error
	fail := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	line := func(field, text string, limit int) {
		if !isLine(text) || utf8.RuneCountInString(text) > limit {
			fail(field, "must have at most %d characters of UTF-8, none of them control characters", limit)
		}
	}
	line("name", s.Name, maxName)
	line("subject", s.Subject, maxName)
	if !isText(s.Description) || utf8.RuneCountInString(s.Description) > maxDescription {
		fail("description", "must have at most %d characters of UTF-8, none of them NUL", maxDescription)
	}
	if int(s.Logging) >= len(loggingNames) {
		fail("logging", "must be one of %s", legalLogging())
	}
	if size, ok := metadataSize(s.Metadata); !ok || size > maxMetadata {
		fail("metadata", "must have at most %d bytes of UTF-8 without NUL, names and values together", maxMetadata)
	}
	if problem := s.expiryProblem(before, now); problem != "" {
		fail("expiresAt", "%s", problem)
	}
	for _, problem := range s.permissionProblems(c, before) {
		fail("permissions", "%s", problem)
	}
	return errors.Join(errs...)
}

func (s KeySpec) expiryProblem(before *Key, now time.Time) string {
	expires := storable(s.ExpiresAt)
	switch {
	case expires.IsZero(), before != nil && expires.Equal(before.ExpiresAt):
		return ""
	case reached(expires, now):
		return "must lie in the future, or be absent for never"
	case expires.Year() > 9999:
		return "must lie before the year 10000, or be absent for never"
	}
	return ""
}

func (s KeySpec) permissionProblems(c Catalog, before *Key) (problems []string) {
	if len(s.Permissions) > maxPermissions {
		return []string{fmt.Sprintf("must list at most %d", maxPermissions)}
	}
	var twice, unknown []Permission
	for i, p := range s.Permissions {
		if slices.Contains(s.Permissions[:i], p) {
			twice = append(twice, p)
		} else if had := before != nil && slices.Contains(before.Permissions, p); !had && !c.knows(p) {
			unknown = append(unknown, p)
		}
	}
	if len(twice) > 0 {
		problems = append(problems, fmt.Sprintf("must not list %q twice", twice))
	}
	if len(unknown) > 0 {
		problems = append(problems, fmt.Sprintf("must not list %q: the catalog has %s", unknown, c.list()))
	}
	return problems
}

func isLine(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// isText reports whether every store can keep s: PostgreSQL has no NUL.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func metadataSize(m map[string]string) (size int, ok bool) {
	for name, value := range m {
		if !isText(name) || !isText(value) {
			return 0, false
		}
		size += len(name) + len(value)
	}
	return size, true
}
