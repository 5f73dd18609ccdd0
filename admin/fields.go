package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-be062aaa/apikey"
)

const maxBody = 64 << 10

// fields are the members of a request's JSON object. Each method takes what it
// understands; what is left over in the end is refused, as are mistakes.
type fields struct {
	members map[string]json.RawMessage
	errs    []fieldProblem
	fatal   *problem
}

// What a call says of its body.
const (
	required = true
	optional = false
)

// readFields reads a JSON object that comes as one of the types. Unlike
// encoding/json alone it tells the case of names, refuses one that is there
// twice, and replaces nothing that is not Unicode.
func readFields(w http.ResponseWriter, r *http.Request, needed bool, types ...string) *fields {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	mediaType, params, typeErr := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	refuse := func(status int, detail string) *fields {
		return &fields{fatal: &problem{Status: status, Detail: detail}}
	}
	_, tooLong := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLong:
		return refuse(http.StatusRequestEntityTooLarge, "The body has more than 64 KiB.")
	case err != nil:
		return refuse(http.StatusBadRequest, "The body ended early.")
	case len(body) == 0 && !needed:
		return &fields{}
	case typeErr != nil, !slices.Contains(types, mediaType), charset != "" && !strings.EqualFold(charset, "utf-8"):
		return refuse(http.StatusUnsupportedMediaType, "Send a JSON object as "+strings.Join(types, " or ")+", in UTF-8.")
	case !utf8.Valid(body) || hasHalfPair(body):
		return refuse(http.StatusBadRequest, "The body is not valid UTF-8, or escapes half a surrogate pair.")
	}
	f := &fields{}
	members, twice, err := decodeObject(body)
	if err != nil {
		return refuse(http.StatusBadRequest, "The body is not one well-formed JSON object.")
	}
	f.members = members
	for _, name := range twice {
		f.fail(name, "must be there once")
	}
	return f
}

// decodeObject returns the members of a JSON object, and the names that it has
// more than once.
func decodeObject(text []byte) (members map[string]json.RawMessage, twice []string, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, nil, errNoObject
	}
	members = map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, nil, err
		}
		key, _ := name.(string) // a member's name is nothing else
		if _, there := members[key]; there {
			twice = append(twice, key)
		}
		members[key] = value
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, errNoObject
	}
	return members, twice, nil
}

var errNoObject = errors.New("not one JSON object")

// hasHalfPair reports whether a JSON text escapes half a surrogate pair, which
// encoding/json would replace without a word.
func hasHalfPair(text []byte) bool {
	high := false // the escape before was a first half
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			if high {
				return true
			}
			continue
		}
		i++
		unit := rune(0)
		if text[i] == 'u' && i+4 < len(text) {
			n, _ := strconv.ParseUint(string(text[i+1:i+5]), 16, 16)
			unit = rune(n)
			i += 4
		}
		first, second := 0xd800 <= unit && unit < 0xdc00, 0xdc00 <= unit && unit < 0xe000
		if high != second {
			return true
		}
		high = first
	}
	return high
}

func (f *fields) fail(name, detail string) {
	f.errs = append(f.errs, fieldProblem{name, detail})
}

// problem returns what is wrong with the request, or nil.
func (f *fields) problem() *problem {
	if f.fatal != nil {
		return f.fatal
	}
	for _, name := range slices.Sorted(maps.Keys(f.members)) {
		f.fail(name, "is not a field of this call")
	}
	if len(f.errs) == 0 {
		return nil
	}
	return &problem{Status: http.StatusUnprocessableEntity, Detail: "Some fields are not legal.", Errors: f.errs}
}

// take decodes the member of that name into target, and reports whether it is
// there and not null.
func (f *fields) take(name, legal string, target any) bool {
	value, ok := f.members[name]
	delete(f.members, name)
	if !ok || string(value) == "null" {
		return false
	}
	if err := json.Unmarshal(value, target); err != nil {
		f.fail(name, "must be "+legal)
		return false
	}
	return true
}

// patch is take for a field of a merge patch (RFC 7396): an absent member leaves
// target as it is, and null empties it.
func patch[T any](f *fields, name, legal string, target *T) {
	if _, ok := f.members[name]; !ok {
		return
	}
	var value T
	f.take(name, legal, &value)
	*target = value
}

// spec applies the members that a key's administrator may choose.
func (f *fields) spec(spec *apikey.KeySpec) {
	patch(f, "name", "a string", &spec.Name)
	patch(f, "description", "a string", &spec.Description)
	patch(f, "subject", "a string", &spec.Subject)
	patch(f, "permissions", "an array of strings", &spec.Permissions)
	patch(f, "logging", "none, request, response or both", &spec.Logging)
	patch(f, "disabled", "true or false", &spec.Disabled)
	f.expiry(spec)
	f.metadata(spec)
}

// expiry reads a time. The zero time is a mistake here, and not never: it is what
// a client sends that forgot to set one.
func (f *fields) expiry(spec *apikey.KeySpec) {
	const legal = "a time in the future as in RFC 3339, or null for never"
	if _, there := f.members["expiresAt"]; !there {
		return
	}
	var expires time.Time
	if f.take("expiresAt", legal, &expires) && expires.IsZero() {
		f.fail("expiresAt", "must be "+legal)
	}
	spec.ExpiresAt = expires
}

// metadata merges an object of strings into the metadata; null removes a member,
// or all of them.
func (f *fields) metadata(spec *apikey.KeySpec) {
	value, there := f.members["metadata"]
	if _, twice, err := decodeObject(value); err == nil && len(twice) > 0 {
		f.fail("metadata", fmt.Sprintf("must not have %q twice", twice))
	}
	var members map[string]*string
	if !f.take("metadata", "an object of strings", &members) {
		if there {
			spec.Metadata = nil
		}
		return
	}
	if spec.Metadata == nil {
		spec.Metadata = map[string]string{}
	}
	for name, value := range members {
		if value == nil {
			delete(spec.Metadata, name)
		} else {
			spec.Metadata[name] = *value
		}
	}
}

// readOnly refuses members that a patch cannot change.
func (f *fields) readOnly() {
	for _, name := range []string{"id", "weak", "hints", "createdAt", "updatedAt", "revokedAt", "lastUsedAt", "version"} {
		if _, ok := f.members[name]; ok {
			delete(f.members, name)
			f.fail(name, "is read-only")
		}
	}
	if _, ok := f.members["key"]; ok {
		delete(f.members, "key")
		f.fail("key", "is changed by a POST to the key's path and /rotate")
	}
}

func (f *fields) customKey() (text string, custom bool) {
	custom = f.take("key", "a string", &text)
	return text, custom
}

const legalOverlap = `a duration such as "0s", "24h" or "30d", at most 30 days`

func (f *fields) overlap() time.Duration {
	before := len(f.errs)
	var text string
	if !f.take("overlap", legalOverlap, &text) {
		if len(f.errs) == before {
			f.fail("overlap", "is needed: "+legalOverlap)
		}
		return 0
	}
	overlap, err := parseDuration(text)
	if err != nil {
		f.fail("overlap", "must be "+legalOverlap)
	}
	return overlap
}

// parseDuration is [time.ParseDuration], and whole days.
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}
