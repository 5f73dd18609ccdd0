package apikey

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-be062aaa/apikey/internal/ascii"
)

// A Source is one way in which a request may carry a key. Sources are made by
// the From functions.
type Source struct {
	kind sourceKind
	// name is of the header (canonical), pair, property or scheme (in small letters), or of
	// the Basic user.
	name string
	// spelt is the name as the host wrote it, for clients to read.
	spelt string
}

// same reports whether two sources stand in the same place.
func (s Source) same(o Source) bool { return s.kind == o.kind && s.name == o.name }

func contains(sources []Source, s Source) bool { return slices.ContainsFunc(sources, s.same) }

type sourceKind uint8

const (
	sourceNone sourceKind = iota
	sourceHeader
	sourceQuery
	sourceForm
	sourceJSON
	sourceBasic
	sourceScheme
)

// FromHeader takes the key from the request header of that name, in any case.
func FromHeader(name string) Source {
	return Source{sourceHeader, textproto.CanonicalMIMEHeaderKey(name), name}
}

// FromQuery takes the key from the query parameter of exactly that name. Keys in
// URLs end up in the logs of whatever stands between client and server.
func FromQuery(name string) Source { return Source{sourceQuery, name, name} }

// FromForm takes the key from the pair of exactly that name in a body of type
// application/x-www-form-urlencoded.
func FromForm(name string) Source { return Source{sourceForm, name, name} }

// FromJSON takes the key from the property of exactly that name at the root of a
// body of type application/json.
func FromJSON(name string) Source { return Source{sourceJSON, name, name} }

// FromBasic takes the key from the password of HTTP Basic authentication (RFC
// 7617) with that user name. Credentials of other users are not looked at.
func FromBasic(user string) Source { return Source{sourceBasic, user, user} }

// FromBearer takes the key from a Bearer token (RFC 6750).
func FromBearer() Source { return FromScheme("Bearer") }

// FromScheme takes the key from the Authorization header where that has the scheme, in any
// case, such as "ApiKey" or "Token", and behind it nothing but the key.
func FromScheme(scheme string) Source { return Source{sourceScheme, ascii.Lower(scheme), scheme} }

// OtterSources returns the four ways in which Inedo's products take a key: the
// header X-ApiKey, the query parameter key, the form value key, and the JSON
// property API_Key.
func OtterSources() []Source {
	return []Source{FromHeader("X-ApiKey"), FromQuery("key"), FromForm("key"), FromJSON("API_Key")}
}

// String describes the source to a client.
func (s Source) String() string {
	switch s.kind {
	case sourceHeader:
		return "header " + s.spelt
	case sourceQuery:
		return "query parameter " + s.spelt
	case sourceForm:
		return "form value " + s.spelt
	case sourceJSON:
		return "JSON root property " + s.spelt
	case sourceBasic:
		return "HTTP Basic password of user " + s.spelt
	case sourceScheme:
		return s.spelt + " token"
	}
	return "no source"
}

// headerName returns the name of the header in which the source stands, empty if
// it stands in none.
func (s Source) headerName() string {
	switch s.kind {
	case sourceHeader:
		return s.name
	case sourceBasic, sourceScheme:
		return "Authorization"
	}
	return ""
}

// ownHeaders carry what other sources read, or what HTTP itself needs.
var ownHeaders = []string{
	"Authorization", "Connection", "Content-Length", "Content-Type", "Cookie", "Host", "Transfer-Encoding",
}

func (s Source) validate() error {
	switch s.kind {
	case sourceNone:
		return errors.New("apikey: a zero Source; " +
			"use FromHeader, FromQuery, FromForm, FromJSON, FromBasic, FromBearer or FromScheme")
	case sourceHeader:
		if !isToken(s.name) || slices.Contains(ownHeaders, s.name) {
			return fmt.Errorf("apikey: FromHeader(%q): not a header name that can carry a key", s.spelt)
		}
	case sourceQuery, sourceForm:
		// Names that need no escape leave no doubt about which pair is meant.
		if s.name == "" || url.QueryEscape(s.name) != s.name {
			return fmt.Errorf("apikey: source %q: a parameter's name has letters, digits, '-', '_', '.' and '~' only", s)
		}
	case sourceJSON:
		if s.name == "" || !isUnusualKeyText(s.name) {
			return fmt.Errorf("apikey: FromJSON(%q): not a property name that can carry a key", s.name)
		}
	case sourceBasic:
		if !isKeyText(s.name) || strings.Contains(s.name, ":") {
			return fmt.Errorf("apikey: FromBasic(%q): a user name is not empty and has no colon", s.name)
		}
	case sourceScheme:
		if !isToken(s.name) || s.name == "basic" {
			return fmt.Errorf("apikey: FromScheme(%q): not the name of a scheme that can carry a key alone", s.spelt)
		}
	}
	return nil
}

// isToken reports whether s is a token of RFC 9110.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func validateSources(sources []Source) error {
	var errs []error
	if len(sources) == 0 {
		errs = append(errs, errors.New("apikey: no sources: no request could carry a key"))
	}
	json := 0
	for i, s := range sources {
		errs = append(errs, s.validate())
		if contains(sources[:i], s) {
			errs = append(errs, fmt.Errorf("apikey: source %q is listed twice", s))
		}
		if s.kind == sourceJSON {
			json++
		}
	}
	if json > 1 {
		errs = append(errs, errors.New("apikey: more than one JSON property: a body is searched for one"))
	}
	return errors.Join(errs...)
}

// A presented credential is what a request was found to carry.
type presented struct {
	text  string
	other string    // another text, which makes the request one that is refused
	via   *[]Source // all that it stood in
	body  *searchedBody
	held  *heldKey // which the text opens; nil: none, as far as is known
}

// A place is a source, and a list of nothing else.
type place struct {
	Source
	alone []Source
}

// add notes what a source holds. An empty text is no credential.
func (p *presented) add(text string, from *place) *failure {
	switch {
	case text == "":
	case p.text == "":
		p.text, p.via = text, &from.alone
	case p.text != text:
		p.other = text
		return failConflictingKeys
	default:
		via := slices.Concat(*p.via, from.alone)
		p.via = &via
	}
	return nil
}

// extract finds the credential that the request carries. Every place outside the
// body is looked at, so that it does not depend on an order which of two keys
// counts; the body is read only where there is no other key. On failure too,
// what was read of the body is in found.
func (a *Authority) extract(w http.ResponseWriter, r *http.Request, found *presented) *failure {
	for i := range a.places {
		p := &a.places[i]
		text, f := p.read(r)
		if f == nil {
			f = found.add(text, p)
		}
		if f != nil {
			return f
		}
	}
	if found.text != "" {
		return nil
	}
	return a.extractBody(w, r, found)
}

// read returns what a source outside the body holds.
func (s *Source) read(r *http.Request) (string, *failure) {
	switch s.kind {
	case sourceHeader:
		lines := r.Header[s.name]
		if len(lines) == 1 {
			return lines[0], nil
		}
		return oneOf(lines)
	case sourceQuery:
		if r.URL.RawQuery == "" {
			return "", nil
		}
		return findPair(r.URL.RawQuery, s.name)
	case sourceBasic, sourceScheme:
		return s.readAuthorization(r.Header["Authorization"])
	default:
		return "", nil
	}
}

// oneOf returns the value that all of values agree on, leaving out empty ones.
func oneOf(values []string) (string, *failure) {
	one := ""
	for _, v := range values {
		switch {
		case v == "" || v == one:
		case one == "":
			one = v
		default:
			return "", failConflictingKeys
		}
	}
	return one, nil
}

func (s Source) readAuthorization(lines []string) (string, *failure) {
	if len(lines) == 0 {
		return "", nil
	}
	var texts []string
	for _, line := range lines {
		text, f := s.parseAuthorization(line)
		if f != nil {
			return "", f
		}
		texts = append(texts, text)
	}
	return oneOf(texts)
}

// parseAuthorization returns the key in one Authorization line, empty if the
// line is of another scheme or user. Unlike [http.Request.BasicAuth] it accepts
// several spaces after the scheme, as RFC 9110 does, and base64 without padding,
// as npm clients send it.
func (s Source) parseAuthorization(line string) (string, *failure) {
	scheme, param, _ := strings.Cut(line, " ")
	param = strings.Trim(param, " ")
	switch {
	case s.kind == sourceScheme && strings.EqualFold(scheme, s.name):
		return param, nil
	case s.kind == sourceBasic && strings.EqualFold(scheme, "Basic"):
		plain, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(param, "="))
		if err != nil {
			return "", &failure{reason: ErrMalformedKey, cause: errors.New("apikey: the Basic credentials are not base64")}
		}
		if user, password, ok := strings.Cut(string(plain), ":"); ok && user == s.name {
			return password, nil
		}
	}
	return "", nil
}
