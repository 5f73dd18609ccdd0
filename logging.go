package apikey

import (
	"fmt"
	"strings"
)

// Logging says which bodies of a key's requests the access log keeps. Large
// bodies have a real cost, so it is a choice made for each key. The zero value
// keeps none.
type Logging uint8

// The levels of [Logging].
const (
	LogNone     Logging = 0
	LogRequest  Logging = 1 << 0
	LogResponse Logging = 1 << 1
	LogBoth             = LogRequest | LogResponse
)

var loggingNames = [...]string{LogNone: "none", LogRequest: "request", LogResponse: "response", LogBoth: "both"}

// String returns none, request, response or both.
func (l Logging) String() string {
	if int(l) >= len(loggingNames) {
		return fmt.Sprintf("Logging(%d)", uint8(l))
	}
	return loggingNames[l]
}

// MarshalText returns what String does, or an error for a value that is none of
// the four levels.
func (l Logging) MarshalText() ([]byte, error) {
	if int(l) >= len(loggingNames) {
		return nil, fmt.Errorf("apikey: logging level %d is not one of %s", uint8(l), legalLogging())
	}
	return []byte(loggingNames[l]), nil
}

// UnmarshalText accepts none, request, response and both.
func (l *Logging) UnmarshalText(text []byte) error {
	for level, name := range loggingNames {
		if name == string(text) {
			*l = Logging(level)
			return nil
		}
	}
	return fmt.Errorf("apikey: logging level %q is not one of %s", text, legalLogging())
}

func legalLogging() string { return strings.Join(loggingNames[:], ", ") }
