package apikey

import "time"

// A LogEntry is one line of the access log: a request to a guarded handler, a
// change to a key, or a gap.
//
// Its texts are safe to print. They hold no credential, except that a body may hold a
// chosen key that this request did not present, or one in a spelling that only the
// handler knows. Texts that come from clients are valid UTF-8 without control
// characters, which are spelt as in "\x1b". Bodies keep their line feeds and
// tabs.
type LogEntry struct {
	// ID names the entry and sorts by Time.
	ID string
	// Time is when the request came, or the change was made.
	Time time.Time
	// RequestID is the same in all entries of one request.
	RequestID string
	// KeyID is empty where no valid key was presented. Of a change it is the ID
	// of the key that was changed.
	KeyID   string
	Outcome Outcome
	// Reason says why a request was refused, as a [Reason], or how a handler
	// ended: "panic", which [http.ErrAbortHandler] is too, or "client_gone".
	// Empty: it returned.
	Reason string
	// Fingerprint tells the unknown keys of refused requests apart without
	// spelling them: of one pepper, equal keys have equal ones. Empty without a
	// pepper.
	Fingerprint string

	Method string
	Path   string
	// Route is the pattern by which the request was routed, where that is known.
	Route string
	// Query holds its pairs in their order, credentials and secrets masked.
	Query string
	// Permission is what the route needed: names joined by "+" where all of them,
	// by "|" where one of them, "any key" where none.
	Permission string
	// Status is what was sent, and 0 where nothing was.
	Status int
	// RequestBytes is the length of the body that the handler read, or that was
	// declared; -1 where neither is known. ResponseBytes is what was written.
	RequestBytes  int64
	ResponseBytes int64
	Duration      time.Duration
	// Client is the address from which the connection came, see
	// [LogOptions.Client].
	Client string

	Request  LogBody
	Response LogBody

	// Actor is who made a change, see [Actor.ID], and "code" where the host's own
	// code did. Action is what it was. Detail says what changed, what a gap has
	// lost, or why an entry's texts are not there.
	Actor  string
	Action Action
	Detail string
	// Lost is how many entries a gap stands for.
	Lost int64
}

// A LogBody is a body in a [LogEntry].
type LogBody struct {
	// Text is what is kept of the body, masked. Only texts in UTF-8 are kept.
	Text string
	// Type is its media type. Empty: no body was logged.
	Type string
	// Truncated says that the body was longer than what is kept.
	Truncated bool
	// Omitted says why nothing is kept of a body that should have been.
	Omitted string
}

// An Outcome is what became of a request, or the kind of another entry.
type Outcome string

// The outcomes.
const (
	OutcomeAllowed Outcome = "allowed" // the handler ran
	OutcomeDenied  Outcome = "denied"  // refused, see Reason
	OutcomeError   Outcome = "error"   // the server failed: it could not judge the request, or the handler panicked
	OutcomeChange  Outcome = "change"  // a key was changed; with the reason store_failed, perhaps it was not
	OutcomeGap     Outcome = "gap"     // entries were lost
)

// Outcomes returns all outcomes.
func Outcomes() []Outcome {
	return []Outcome{OutcomeAllowed, OutcomeDenied, OutcomeError, OutcomeChange, OutcomeGap}
}
