package apikey

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
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

// LogOptions are the choices about the access log. The zero value logs into the
// store where that is a [LogSink], and nowhere else.
type LogOptions struct {
	// Off keeps no log, also where the store could.
	Off bool
	// Sink keeps the log. Default: the store, if it can.
	Sink LogSink
	// Required makes Require, RequireAny and RequireKey answer 503 where a request
	// could not be recorded, before its handler runs: there is no room, the last
	// write failed, or one has taken over a second. Changes to keys are not made
	// then, with an error that wraps [ErrLogFull]. What asks for its key by
	// [Authority.Check], as package admin does for reading, is served all the same.
	// Default: requests go on, and a gap in the log says how many entries it lacks.
	Required bool
	// MaxBody is how many bytes are kept of each body that a key's [Logging] asks
	// for, up to 1 GiB. Default: 16 KiB.
	MaxBody int
	// Secrets are names, beside those that are secrets everywhere, whose values
	// are masked in JSON, forms and queries. Letters match in either case; "-", "_",
	// ".", brackets and spaces are not looked at.
	Secrets []string
	// Redact has the last word on each entry, in the recorder's goroutine: it may
	// change any text. Where it returns an error or panics, the entry loses its
	// bodies and all else that came from the client, and its Detail says so.
	Redact func(entry *LogEntry) error
	// Client returns the address of a request's client. Default: the host in
	// RemoteAddr. Behind a proxy that you trust, and only there, take it from the
	// header that the proxy sets.
	Client func(r *http.Request) string
	// MaxEntries and MaxBytes bound what waits to be written; what comes then is
	// lost, and counted. Entries without a key have a quarter of both to
	// themselves, so that a flood of refusals takes no room from others. Default:
	// 16,384 entries, and 32 MiB.
	MaxEntries int
	MaxBytes   int64
}

func (o *LogOptions) setDefaults(store Store) {
	if sink, ok := store.(LogSink); ok && o.Sink == nil {
		o.Sink = sink
	}
	if o.Off {
		o.Sink = nil
	}
	o.Secrets = slices.Clone(o.Secrets)
	setDefault(&o.MaxBody, 16<<10)
	setDefault(&o.MaxEntries, 16<<10)
	setDefault(&o.MaxBytes, 32<<20)
}

const maxLoggedBody = 1 << 30

// validate reports every mistake.
func (o *LogOptions) validate() error {
	var errs []error
	positive := func(name string, value int64) {
		if value < 0 {
			errs = append(errs, fmt.Errorf("apikey: Options.Log.%s is %d; legal is a positive number, or 0 for the default",
				name, value))
		}
	}
	positive("MaxBody", int64(o.MaxBody))
	if o.MaxBody > maxLoggedBody {
		errs = append(errs, fmt.Errorf("apikey: Options.Log.MaxBody is %d; legal is up to %d", o.MaxBody, maxLoggedBody))
	}
	positive("MaxEntries", int64(o.MaxEntries))
	positive("MaxBytes", o.MaxBytes)
	for _, name := range o.Secrets {
		if foldName(name) == "" {
			errs = append(errs, fmt.Errorf("apikey: Options.Log.Secrets names %q, which has no letter and no digit", name))
		}
	}
	if o.Required && o.Sink == nil {
		errs = append(errs, errors.New("apikey: Options.Log.Required without a sink: no request could be served"))
	}
	return errors.Join(errs...)
}
