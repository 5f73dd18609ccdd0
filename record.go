package apikey

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/go-chi/chi/v5"
)

// A record is what a request leaves behind for the recorder, as it came: nothing
// in it is masked yet. It is copied on each request's way, so that what few have
// stands apart.
type record struct {
	id, requestID int64 // see logIDText
	at            int64 // when it came, in nanoseconds since 1970
	duration      time.Duration

	key       *Key      // whose request it is, or that was changed; nil: none is known
	presented [2]string // the texts that the request had for keys
	misplaced []string  // and others that may be keys
	outcome   Outcome
	reason    string
	needs     string     // by all guards in a row
	view      *Authority // whose guard was the last

	method, path, query, route, client string
	line                               int    // the length of the request line, which method, path and query are parts of
	remote                             string // the address whose host is the client, where no hook has said who is

	status       int
	requestSize  int64
	responseSize int64
	bodies       *recordedBodies // nil: none was to be kept
	change       *recordedChange // nil: it is a request
	charged      int64           // bytes that it was counted as
	logging      Logging
	reserved     bool
}

// A recordedChange is a change to a key.
type recordedChange struct {
	action        Action
	actor, detail string
}

type recordedBodies struct{ request, response recordedBody }

// A recordedBody is the beginning of a body.
type recordedBody struct {
	buffer    *[]byte // of the recorder's pool; nil: nothing is kept
	mediaType string
	length    int64
	omitted   string // why nothing is kept
}

const (
	recordSize = int64(unsafe.Sizeof(record{}))
	bodiesSize = int64(unsafe.Sizeof(recordedBodies{}))
	changeSize = int64(unsafe.Sizeof(recordedChange{}))
)

func (rec *record) keyed() bool { return rec.key != nil || rec.change != nil }

// size returns what the record holds in memory. A path or query can be a part of a
// far longer line, or a copy beside it.
func (rec *record) size() int64 {
	size := recordSize + int64(rec.line+len(rec.path)+len(rec.query)+len(rec.client)+len(rec.remote)+
		len(rec.presented[0])+len(rec.presented[1]))
	for _, text := range rec.misplaced {
		size += int64(len(text))
	}
	if c := rec.change; c != nil {
		size += changeSize + int64(len(c.actor)+len(c.detail))
	}
	if b := rec.bodies; b != nil {
		size += bodiesSize + b.request.size() + b.response.size()
	}
	return size
}

func (b *recordedBody) size() int64 {
	size := int64(len(b.mediaType))
	if b.buffer != nil {
		size += int64(cap(*b.buffer))
	}
	return size
}

// maxNeeds is where what guards ask for is not noted any more.
const maxNeeds = 1000

// need notes what a guard asks for, once where it asks for the same again and again, as
// handlers do that last.
func (rec *record) need(text string) {
	switch {
	case rec.needs == "":
		rec.needs = text
	case rec.needs != text && !strings.HasSuffix(rec.needs, " + "+text) && len(rec.needs) < maxNeeds:
		rec.needs += " + " + text
	}
}

// refuse notes the reason for which the request was refused.
func (rec *record) refuse(e *Error) {
	rec.reason = string(e.Reason)
	rec.outcome = OutcomeDenied
	if e.Status >= http.StatusInternalServerError {
		rec.outcome = OutcomeError
	}
}

// routeOf returns the pattern by which chi or net/http has routed the request.
//
// Where there is a time limit, http.TimeoutHandler may have gone on without the handler,
// and chi route the next request with what this one's context holds. The pattern that
// chi has left in the request is the request's own, and lacks at most what a router
// inside the guard has added.
func routeOf(r *http.Request) string {
	ctx := r.Context()
	_, limited := ctx.Deadline()
	if routes := chi.RouteContext(ctx); routes != nil && !limited {
		if len(routes.RoutePatterns) == 1 {
			return routes.RoutePatterns[0]
		}
		if pattern := routes.RoutePattern(); pattern != "" {
			return pattern
		}
	}
	if _, pattern, found := strings.Cut(r.Pattern, " "); found {
		return strings.TrimLeft(pattern, " \t")
	}
	return r.Pattern
}

// clientOf returns the host of an address, as the connection has it.
func clientOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// processID tells the IDs of one process from those of others.
var processID = rand.Uint64() //nolint:gosec // IDs are to be different, and no secret

// newLogID returns an ID for what happened now, and that moment as the ID has it.
func newLogID(now time.Time) (id string, at time.Time) {
	nanos := later(now.UnixNano())
	return logIDText(nanos), logTime(nanos)
}

// logIDText returns the text of an ID: a time that is unique in this process, and
// what makes it unique among all.
func logIDText(nanos int64) string {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], uint64(nanos))
	binary.BigEndian.PutUint64(id[8:], processID)
	return idEncoding.EncodeToString(id[:])
}

func logTime(nanos int64) time.Time {
	return time.Unix(0, nanos).UTC().Truncate(time.Microsecond)
}

// entry makes e, which is empty, the entry of a record. It runs in the recorder's goroutine.
func (r *recorder) entry(e *LogEntry, rec *record) {
	r.keys = addMaskedKeys(addMaskedKeys(r.keys[:0], rec.presented[:]), rec.misplaced)
	e.ID, e.Time = logIDText(rec.id), logTime(rec.id)
	if e.RequestID = e.ID; rec.requestID != rec.id {
		e.RequestID = logIDText(rec.requestID)
	}
	if rec.key != nil {
		e.KeyID = rec.key.ID
	}
	e.Outcome, e.Reason, e.Permission = rec.outcome, rec.reason, rec.needs
	e.Status, e.Duration = rec.status, rec.duration
	e.RequestBytes, e.ResponseBytes = rec.requestSize, rec.responseSize
	if rec.change != nil {
		e.Action = rec.change.action
	}
	if !r.guarded(func() { r.texts(e, rec, r.keys) }) {
		dropTexts(e, omittedFailed)
	}
	if r.opts.Redact != nil {
		r.redact(e)
	}
}

// redact lets the host have the last word. It gets a copy, which it may keep.
func (r *recorder) redact(e *LogEntry) {
	var err error
	own := *e
	if !r.guarded(func() { err = r.opts.Redact(&own) }) || err != nil {
		dropTexts(&own, omittedFailed)
	}
	*e = own
}

// texts sets what came from the client, the handler or whoever acts, masked.
func (r *recorder) texts(e *LogEntry, rec *record, keys []maskedKey) {
	client := r.client(rec, keys)
	if isCrowd(rec) {
		dropTexts(e, omittedCrowd)
		e.Client = client
		return
	}
	e.Client = client
	sources := r.sources
	if rec.view != nil && &rec.view.sources[0] != &sources[0] {
		sources = slices.Concat(rec.view.sources, sources)
	}
	e.Method = r.masker.line(rec.method, keys)
	e.Path = r.masker.path(rec.path, sources, keys)
	e.Route = r.masker.line(rec.route, nil)
	e.Query = r.masker.query(rec.query, sources, keys)
	e.Fingerprint = r.fingerprint(rec)
	if c := rec.change; c != nil {
		e.Actor, e.Detail = r.masker.line(c.actor, keys), r.masker.line(c.detail, keys)
	}
	if b := rec.bodies; b != nil {
		e.Request, e.Response = r.body(&b.request, sources, keys), r.body(&b.response, sources, keys)
	}
}

// client returns whose request it was. An address is not masked by what the client
// sent for a key, which could be a part of it.
func (r *recorder) client(rec *record, keys []maskedKey) string {
	client := rec.client
	if rec.remote != "" {
		client = clientOf(rec.remote)
	}
	if addr, err := netip.ParseAddr(client); err == nil && addr.Zone() == "" {
		return client
	}
	return r.masker.line(client, keys)
}

func (r *recorder) body(b *recordedBody, sources []Source, keys []maskedKey) LogBody {
	body := LogBody{Type: r.masker.line(b.mediaType, keys), Omitted: b.omitted}
	if b.buffer == nil || b.omitted != "" {
		return body
	}
	if !isText8(asString(*b.buffer)) {
		body.Omitted = omittedBinary
		return body
	}
	if slices.ContainsFunc(keys, maskedKey.short) {
		body.Omitted = omittedShortKey
		return body
	}
	body.Text = r.masker.body(*b.buffer, b.mediaType, sources, keys, r.opts.MaxBody)
	body.Truncated = b.length > int64(r.opts.MaxBody)
	return body
}

// Why a body is not kept.
const (
	omittedBinary   = "not a text"
	omittedEncoded  = "content coding"
	omittedShortKey = "the key is too short to be masked"
	omittedFailed   = "redaction failed"
	omittedCrowd    = "too much that may be a key"
	omittedPrivate  = "the handler keeps it out of the log"
)

// dropTexts takes out all that redaction has not, or not surely, gone over.
func dropTexts(e *LogEntry, why string) {
	e.Method, e.Path, e.Route, e.Query, e.Client = "", "", "", "", ""
	e.Fingerprint, e.Detail = "", why
	for _, b := range []*LogBody{&e.Request, &e.Response} {
		*b = LogBody{Omitted: why}
	}
}

// guarded runs do and reports whether it returned. What a panic says may hold
// anything and is not passed on.
func (r *recorder) guarded(do func()) (ok bool) {
	defer func() {
		if !ok {
			_ = recover()
			r.alarm.raise("redaction of the access log panicked; the texts of the entry are dropped")
		}
	}()
	do()
	return true
}

// fingerprint tells unknown keys apart. A line feed is in no key's text, so that
// it is nobody's digest.
func (r *recorder) fingerprint(rec *record) string {
	if r.finger.macs == nil || rec.key != nil || rec.presented[0] == "" {
		return ""
	}
	sum := r.finger.digest("\n" + rec.presented[0])
	return hex.EncodeToString(sum[:8])
}
