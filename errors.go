package apikey

import (
	"net/http"
	"slices"
	"time"
)

// A Reason is why a request was refused. Each is an error of its own, so that
// errors.Is(err, apikey.ErrKeyExpired) tells them apart; clients are told less.
type Reason string

// The reasons, and the status with which each is answered.
const (
	// 401: no valid credential.
	ErrNoKey         Reason = "no_key"         // the request carries no key
	ErrMalformedKey  Reason = "malformed_key"  // no store could hold this text, or its checksum is wrong
	ErrUnknownKey    Reason = "unknown_key"    // the store does not hold this text
	ErrKeyDisabled   Reason = "key_disabled"   // the key is disabled
	ErrKeyExpired    Reason = "key_expired"    // the key, or the text it had before a rotation, has expired
	ErrKeyRevoked    Reason = "key_revoked"    // the key was revoked
	ErrSourceRefused Reason = "source_refused" // an outer Require took the key from where this one does not accept it

	// 403: a valid key, and not enough.
	ErrForbidden Reason = "forbidden" // the key lacks a permission

	// 400: a request that cannot be judged.
	ErrConflictingKeys  Reason = "conflicting_keys"  // two different keys
	ErrMalformedRequest Reason = "malformed_request" // what was searched for a key is not well-formed, or ended early

	// Bodies that are not searched for a key.
	ErrBodyTimeout Reason = "body_timeout"   // 408: it arrives too slowly
	ErrBodyTooLong Reason = "body_too_large" // 413: it is too large
	ErrMediaType   Reason = "media_type"     // 415: its charset, coding or Content-Type

	// 503: this server cannot tell.
	ErrStoreFailed Reason = "store_failed" // the store failed, or took too long
	ErrOverloaded  Reason = "overloaded"   // unauthenticated bodies fill their budget
	ErrShutdown    Reason = "shutdown"     // Shutdown was called
	ErrLogFull     Reason = "log_full"     // the access log is required, and cannot take the request

	// 500: the route asks for nothing, or for what the catalog does not have.
	ErrUndeclared Reason = "undeclared"
)

// invalidKey is the one answer to every credential that is not valid, so that
// nobody learns which texts were keys once.
const invalidKey = "The API key is not valid."

// reasons holds what each reason is called in an error, and what a client is
// told.
var reasons = map[Reason]struct {
	status       int
	text, detail string
}{
	ErrNoKey:         {http.StatusUnauthorized, "no API key was given", "No API key was given."},
	ErrMalformedKey:  {http.StatusUnauthorized, "malformed API key", invalidKey},
	ErrUnknownKey:    {http.StatusUnauthorized, "unknown API key", invalidKey},
	ErrKeyDisabled:   {http.StatusUnauthorized, "the API key is disabled", invalidKey},
	ErrKeyExpired:    {http.StatusUnauthorized, "the API key has expired", invalidKey},
	ErrKeyRevoked:    {http.StatusUnauthorized, "the API key was revoked", invalidKey},
	ErrSourceRefused: {http.StatusUnauthorized, "the API key was passed in a way that this route does not accept", "This route does not accept an API key passed in this way."},
	ErrForbidden:     {http.StatusForbidden, "the API key lacks a permission", "The API key does not have the permission that this action needs."},
	ErrConflictingKeys: {
		http.StatusBadRequest, "two different API keys were given",
		"Two different API keys were given. Send one key, once.",
	},
	ErrMalformedRequest: {http.StatusBadRequest, "malformed request", "The request is malformed."},
	ErrBodyTimeout:      {http.StatusRequestTimeout, "the body came too slowly", "The request body came too slowly. Pass the API key in a header to have no limit."},
	ErrBodyTooLong:      {http.StatusRequestEntityTooLarge, "the body is too large to search for an API key", "The request body is too large to search for an API key. Pass the key in a header to have no limit."},
	ErrMediaType:        {http.StatusUnsupportedMediaType, "the body cannot be searched for an API key", "The request body cannot be searched for an API key: it must be UTF-8, without content coding, and have one well-formed Content-Type. Pass the key in a header to have no such rule."},
	ErrStoreFailed:      {http.StatusServiceUnavailable, "the key store failed", "API keys cannot be checked at the moment."},
	ErrOverloaded:       {http.StatusServiceUnavailable, "too many bytes of unauthenticated bodies", "Too many requests are waiting to be checked. Pass the API key in a header, or try again."},
	ErrShutdown:         {http.StatusServiceUnavailable, "the authority is shut down", "The server is shutting down."},
	ErrLogFull:          {http.StatusServiceUnavailable, "the access log cannot take the request", "Requests cannot be recorded at the moment."},
	ErrUndeclared:       {http.StatusInternalServerError, "the route declares no permission that exists", "The server is not set up for this request."},
}

// Error returns the reason in words.
func (r Reason) Error() string { return "apikey: " + reasons[r].text }

// An Error is the refusal of a request. The one that [Authority.Check] returns may
// be shared by many requests, and is not to be changed; an [ErrorHandler] gets one
// of its own.
type Error struct {
	Reason Reason
	// Status is the HTTP status of the plain truth; an [ErrorHandler] may answer
	// with another. 0: the Reason's.
	Status int
	// Detail is a sentence for the client. It holds nothing that the client sent.
	// Empty: the Reason's.
	Detail string
	// Missing is what the key lacks, or the alternatives of which it lacks all.
	Missing []Permission
	// Challenges are the values of WWW-Authenticate that go with a 401.
	Challenges []string
	// RetryAfter is how long to wait before trying again, and zero where that
	// would be of no use.
	RetryAfter time.Duration

	// httpAuth: the group takes Basic, Bearer or the like, whose clients wait for a 401.
	httpAuth bool
	cause    error
	// rendered is what ProblemErrors writes, as long as nobody changed the fields.
	rendered *renderedProblem
}

// NewError returns the refusal for a reason, with its status and what a client is told:
// for hosts that refuse requests by themselves.
func NewError(reason Reason) *Error {
	about, known := reasons[reason]
	if !known {
		about = reasons[ErrUndeclared]
	}
	e := &Error{Reason: reason, Status: about.status, Detail: about.detail}
	if e.Status == http.StatusServiceUnavailable {
		e.RetryAfter = retryAfter
	}
	return e
}

// completed returns e, or a copy with what whoever made it has left to the Reason.
func (e *Error) completed() *Error {
	if e.Status != 0 && e.Detail != "" {
		return e
	}
	c, about := *e, NewError(e.Reason)
	setDefault(&c.Status, about.Status)
	setDefault(&c.Detail, about.Detail)
	return &c
}

// Error returns the reason and, if there is one, the error behind it. It holds
// no key material.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.Reason.Error()
	}
	return e.Reason.Error() + ": " + e.cause.Error()
}

// Unwrap returns the Reason and, if there is one, the error behind it.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.cause}
}

// failure is an error that already knows its reason, and that a view of the
// Authority turns into an Error.
type failure struct {
	reason  Reason
	cause   error  // for the host
	detail  string // for the client, instead of the reason's own
	missing []Permission
	plain   int // its place among plainFailures, counted from 1; 0: it is none
}

// plainFailures are those of which there is no more to say than their reason. They
// and the Errors made of them are made once: refusing is to cost less than serving.
var plainFailures []*failure

func plainFailure(reason Reason) *failure {
	f := &failure{reason: reason, plain: len(plainFailures) + 1}
	plainFailures = append(plainFailures, f)
	return f
}

var (
	failNoKey           = plainFailure(ErrNoKey)
	failMalformedKey    = plainFailure(ErrMalformedKey)
	failUnknownKey      = plainFailure(ErrUnknownKey)
	failKeyDisabled     = plainFailure(ErrKeyDisabled)
	failKeyExpired      = plainFailure(ErrKeyExpired)
	failKeyRevoked      = plainFailure(ErrKeyRevoked)
	failSourceRefused   = plainFailure(ErrSourceRefused)
	failConflictingKeys = plainFailure(ErrConflictingKeys)
	failBodyTimeout     = plainFailure(ErrBodyTimeout)
	failBodyTooLong     = plainFailure(ErrBodyTooLong)
	failOverloaded      = plainFailure(ErrOverloaded)
	failShutdown        = plainFailure(ErrShutdown)
	failLogFull         = plainFailure(ErrLogFull)
)

const retryAfter = time.Second

// refuse returns the Error of a failure, with the challenges of this view. It may
// be shared by many requests.
func (a *Authority) refuse(f *failure) *Error {
	if f.plain > 0 {
		return a.refusals[f.plain-1]
	}
	return a.newError(f)
}

func (a *Authority) newError(f *failure) *Error {
	e := NewError(f.reason)
	e.Missing, e.httpAuth, e.cause = f.missing, a.httpAuth, f.cause
	if f.detail != "" {
		e.Detail = f.detail
	}
	if e.Status == http.StatusUnauthorized {
		e.Challenges = slices.Clone(a.challenges)
	}
	if f.reason == ErrNoKey {
		e.Detail += " " + a.waysIn
	}
	return e
}

// own returns a copy for a handler, which may change it.
func (e *Error) own() *Error {
	c := *e
	c.Challenges = slices.Clone(e.Challenges)
	return &c
}
