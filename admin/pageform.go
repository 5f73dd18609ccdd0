package admin

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// readForm returns the fields of a form, or says why there are none.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, *message) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return nil, &message{Status: http.StatusUnsupportedMediaType, Text: "This address takes a form.", Back: true}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	err = r.ParseForm()
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		return nil, &message{Status: http.StatusRequestEntityTooLarge, Text: "The form has more than 64 KiB.", Back: true}
	}
	if err != nil {
		return nil, &message{Status: http.StatusBadRequest, Text: "The form is malformed.", Back: true}
	}
	for _, values := range r.PostForm {
		for i, value := range values {
			values[i] = strings.ReplaceAll(value, "\r\n", "\n") // as browsers send every line's end
		}
	}
	return r.PostForm, nil
}

// versionOf returns the version of the key that a form shows. What is no number is
// the version of none.
func versionOf(form url.Values) int64 {
	version, err := strconv.ParseInt(form.Get("version"), 10, 64)
	if err != nil {
		return -1
	}
	return version
}

// A trouble is what is wrong with a form that was sent.
type trouble struct {
	Alert  string
	Errors map[string]string // by field
	Status int
}

func (t *trouble) fail(field, detail string) {
	if t.Errors == nil {
		t.Errors = map[string]string{}
	}
	if t.Errors[field] != "" {
		t.Errors[field] += " "
	}
	t.Errors[field] += sentenceOf(detail)
	t.Status, t.Alert = http.StatusUnprocessableEntity, "Some fields need another look. Nothing was changed."
}

// blame notes what a call of the Authority has returned.
func (p *page) blame(ctx context.Context, t *trouble, err error) {
	told := p.explainTo(ctx, err)
	if errors.Is(err, apikey.ErrConflict) {
		told.Detail = lookAgain
	}
	for _, e := range told.Errors {
		t.fail(e.Field, e.Detail)
	}
	if t.Status = told.Status; len(told.Errors) == 0 {
		t.Alert = told.Detail
	}
}

// A keyForm is the form of a key: as it is stored, or as somebody has filled it in.
type keyForm struct {
	trouble

	Version     string // of the key that the form shows
	Name        string
	Description string
	Subject     string
	Expires     string // in UTC, or empty: never
	Metadata    string
	Granted     map[apikey.Permission]bool
	LogRequest  bool
	LogResponse bool
	Groups      []permissionGroup
	// Stored is what is stored now, by field, where somebody else has changed it
	// to something that the form does not say.
	Stored map[string]string
}

// formTime writes a moment as forms do, with seconds only where there are some.
func formTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strings.TrimSuffix(t.UTC().Format("2006-01-02T15:04:05"), ":00")
}

// newKeyForm returns the form of a key as it is stored.
func (p *page) newKeyForm(key *apikey.Key) *keyForm {
	f := &keyForm{
		Version: strconv.FormatInt(key.Version, 10),
		Name:    key.Name, Description: key.Description, Subject: key.Subject,
		Expires: formTime(key.ExpiresAt), Metadata: formatMetadata(key.Metadata),
		Granted:    map[apikey.Permission]bool{},
		LogRequest: key.Logging&apikey.LogRequest != 0, LogResponse: key.Logging&apikey.LogResponse != 0,
		Groups: slices.Concat(p.groups, p.others(key.Permissions)),
	}
	for _, held := range key.Permissions {
		f.Granted[held] = true
	}
	return f
}

// fill takes over what somebody has typed. The key's text is not kept: no page
// shows it.
func (f *keyForm) fill(form url.Values) {
	f.Version = form.Get("version")
	f.Name, f.Description, f.Subject = form.Get("name"), form.Get("description"), form.Get("subject")
	f.Expires, f.Metadata = form.Get("expires"), form.Get("metadata")
	f.LogRequest, f.LogResponse = form.Has("logRequest"), form.Has("logResponse")
	f.Granted = map[apikey.Permission]bool{}
	for _, granted := range form["permission"] {
		f.Granted[apikey.Permission(granted)] = true
	}
}

// spec returns what the form asks for, and notes what is wrong. What the form shows
// of the key as it is stays as it is, also where a form could not say it.
func (f *keyForm) spec(key *apikey.Key, stored *keyForm) apikey.KeySpec {
	spec := key.Spec()
	keep := func(field *string, typed, shown string) {
		if typed != shown {
			*field = typed
		}
	}
	keep(&spec.Name, f.Name, stored.Name)
	keep(&spec.Subject, f.Subject, stored.Subject)
	keep(&spec.Description, f.Description, unixLines(stored.Description))
	spec.Permissions = f.permissions(key.Permissions)
	spec.Logging = apikey.LogNone
	if f.LogRequest {
		spec.Logging |= apikey.LogRequest
	}
	if f.LogResponse {
		spec.Logging |= apikey.LogResponse
	}
	if f.Expires != stored.Expires {
		spec.ExpiresAt = f.expiry()
	}
	if strings.TrimSpace(f.Metadata) != strings.TrimSpace(stored.Metadata) {
		var problem string
		if spec.Metadata, problem = parseMetadata(f.Metadata); problem != "" {
			f.fail("metadata", problem)
		}
	}
	return spec
}

func unixLines(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// permissions returns what is checked: first what the key holds, in its order, then
// the rest in that of the form.
func (f *keyForm) permissions(held []apikey.Permission) []apikey.Permission {
	var granted []apikey.Permission
	for _, p := range held {
		if f.Granted[p] {
			granted = append(granted, p)
		}
	}
	for _, g := range f.Groups {
		for _, e := range g.Entries {
			if f.Granted[e.Permission] && !slices.Contains(granted, e.Permission) {
				granted = append(granted, e.Permission)
			}
		}
	}
	return granted
}

func (f *keyForm) expiry() time.Time {
	if f.Expires == "" {
		return time.Time{}
	}
	expires, ok := parseMoment(f.Expires)
	if !ok {
		f.fail("expiresAt", "must be a date and a time, such as 2026-01-31T09:30, or be empty for never")
	}
	return expires
}

// contrast notes what is stored of fields in which the form says something else.
func (f *keyForm) contrast(stored *keyForm) {
	f.Stored = map[string]string{}
	differ := func(field, typed, now string) {
		if typed != now {
			f.Stored[field] = now
		}
	}
	differ("name", f.Name, stored.Name)
	differ("subject", f.Subject, stored.Subject)
	differ("description", f.Description, unixLines(stored.Description))
	differ("expiresAt", f.Expires, stored.Expires)
	differ("metadata", strings.TrimSpace(f.Metadata), strings.TrimSpace(stored.Metadata))
	differ("permissions", f.checked(f.Granted), f.checked(stored.Granted))
	differ("logging", f.logging(), stored.logging())
}

// Differs reports whether something else is stored than the form says.
func (f *keyForm) Differs(field string) bool {
	_, differs := f.Stored[field]
	return differs
}

// checked names the boxes of the form that are checked in a set.
func (f *keyForm) checked(set map[apikey.Permission]bool) string {
	var labels []string
	for _, g := range f.Groups {
		for _, e := range g.Entries {
			if set[e.Permission] {
				labels = append(labels, e.Label)
			}
		}
	}
	return strings.Join(labels, ", ")
}

func (f *keyForm) logging() string {
	var bodies []string
	if f.LogRequest {
		bodies = append(bodies, "request body")
	}
	if f.LogResponse {
		bodies = append(bodies, "response body")
	}
	return strings.Join(bodies, ", ")
}
