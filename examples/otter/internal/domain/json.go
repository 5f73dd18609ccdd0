package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
)

// member is one name and value of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// parseJSON checks that text is one JSON value and nothing else. Its error names what was wanted.
func parseJSON(text []byte, wanted string) (json.RawMessage, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, refuse(http.StatusUnprocessableEntity, "The body is empty: send one %s.", wanted)
	}
	var value json.RawMessage
	err := json.Unmarshal(text, &value)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, refuse(http.StatusUnprocessableEntity,
			"The body is not JSON, as byte %d shows: send one %s and nothing after it.",
			syntax.Offset, wanted)
	}
	return value, err
}

// parseObject splits the JSON object that text must be into its members, in their order. Unlike
// decoding into a struct it tells Name from name, and unlike decoding into a map it sees that a
// member is repeated: what one reader takes for the value another may not.
func parseObject(text []byte) ([]member, error) {
	value, err := parseJSON(text, "JSON object")
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil, refuse(http.StatusUnprocessableEntity,
			"The JSON value is not an object: send {\"name\": …}.")
	}
	var members []member
	seen := map[string]bool{}
	for decoder.More() {
		m, err := nextMember(decoder)
		if err != nil {
			return nil, err
		}
		if seen[m.name] {
			return nil, refuse(http.StatusUnprocessableEntity,
				"Property %q is repeated: give it once.", m.name)
		}
		seen[m.name] = true
		members = append(members, m)
	}
	return members, nil
}

// nextMember reads one member of an object whose syntax has been checked.
func nextMember(decoder *json.Decoder) (member, error) {
	var m member
	token, err := decoder.Token()
	if err != nil {
		return m, err
	}
	m.name, _ = token.(string) // JSON allows nothing else here
	return m, decoder.Decode(&m.value)
}

// parseArray splits the JSON array that text must be into its elements.
func parseArray(text []byte) ([]json.RawMessage, error) {
	value, err := parseJSON(text, "JSON array")
	if err != nil {
		return nil, err
	}
	var elements []json.RawMessage
	if value[0] != '[' || json.Unmarshal(value, &elements) != nil {
		return nil, refuse(http.StatusUnprocessableEntity,
			"The JSON value is not an array: send [{\"name\": …}, …].")
	}
	return elements, nil
}

// decode returns a member's value as a T. JSON's null is no value of any type.
func decode[T any](m member, legal string) (T, error) {
	var value T
	if m.null() || json.Unmarshal(m.value, &value) != nil {
		return value, refuse(http.StatusUnprocessableEntity, "Property %q must be %s.", m.name, legal)
	}
	return value, nil
}

// What a property may be, as decode says it.
const (
	legalString    = "a string"
	legalBool      = "true or false"
	legalNames     = "an array of names"
	legalVariables = "an object of names and values"
)

func (m member) null() bool { return string(m.value) == "null" }
