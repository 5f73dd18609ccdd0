// Package apikey gives a Go web server API keys: generated or chosen texts,
// each with a description and a set of permissions, that clients pass in a
// header, the query, a form or a JSON body.
//
// A server makes one [Authority] over a [Store], wraps each route group in the
// permission it needs, and reads who asks from the request's context:
//
//	auth, err := apikey.New(ctx, apikey.NewMemoryStore(), nil)
//	…
//	r := chi.NewRouter()
//	r.With(auth.Require(apikey.JobsTrigger)).Post("/api/jobs/trigger", trigger)
//	…
//	func trigger(w http.ResponseWriter, r *http.Request) {
//		key, _ := apikey.FromContext(r.Context())
//	}
//
// The middleware is of net/http's usual shape, so any router will do.
//
// # What it promises
//
// It fails closed: an empty store, an empty key, a failed lookup and a missing
// declaration open nothing. A store that fails answers 503, never 401. A client
// is not told whether its key is unknown, expired, disabled or revoked; the host
// is. By default the credential is gone from the places that were searched, and
// every other byte is as it was sent. Key material appears in no error,
// log line or panic of this package.
//
// # What it leaves to the host
//
// TLS, rate limiting, and the logs of whatever stands in front of the
// middleware: a key in a query string is visible to every proxy on its way.
package apikey

import (
	"maps"
	"slices"
	"time"
)

// A Key is what the server knows of an API key. It never holds the key's text.
//
// A zero time means never. A Key has no methods that change it and no lock:
// whoever holds one owns it, and changes nothing but that copy.
type Key struct {
	// ID names the key for ever and sorts by age. It is not a credential.
	ID string `json:"id"`
	// Name is for display and may be empty; see [Key.DisplayName].
	Name        string `json:"name"`
	Description string `json:"description"`
	// Subject is the user for whom the key acts, in the host's own terms.
	// Empty means that it acts for nobody in particular.
	Subject     string       `json:"subject"`
	Permissions []Permission `json:"permissions"`
	// Logging says which bodies the access log keeps.
	Logging  Logging           `json:"logging"`
	Metadata map[string]string `json:"metadata"`
	// Disabled keys are refused until they are enabled again.
	Disabled  bool      `json:"disabled"`
	CreatedAt time.Time `json:"createdAt,omitzero"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
	// ExpiresAt is the first moment at which the key is refused, by the wall clock, a
	// change of which is noticed within 10 milliseconds.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// RevokedAt is when the key was refused for good.
	RevokedAt time.Time `json:"revokedAt,omitzero"`
	// LastUsedAt may lag behind by the 30 seconds between two batches, and is never
	// more than 5 seconds ahead of the clock of the server that it is read on.
	LastUsedAt time.Time `json:"lastUsedAt,omitzero"`
	// Version grows by one with each change, save those of LastUsedAt.
	Version int64 `json:"version"`
	// Credentials are the texts that open the key, the newest first: one, or
	// two while a rotation overlaps. They stay out of JSON and XML, and out of
	// what [FromContext] returns. Between an Authority and its store they have
	// digests; in the keys that an Authority returns they have none.
	Credentials []Credential `json:"-" xml:"-"`
}

// A Credential is the trace that a key's text leaves: enough to recognise the
// text, not enough to know it.
type Credential struct {
	// Digest is unique among all credentials of a store, revoked keys' too.
	Digest Digest
	// Hint is the last four characters of a generated key, and empty for a
	// custom one, of which nothing is kept.
	Hint string
	// Weak marks a custom text that a patient attacker could guess.
	Weak      bool
	CreatedAt time.Time
	// ExpiresAt ends a rotation's overlap. Zero: the credential lives as long
	// as its key.
	ExpiresAt time.Time
}

// DisplayName returns the key's name, or "(ID=…)" where it has none.
func (k *Key) DisplayName() string {
	if k.Name != "" {
		return k.Name
	}
	return "(ID=" + k.ID + ")"
}

// Weak reports whether a credential that still opens the key is a weak custom
// text. It is false for a key from [FromContext], which carries no credentials.
func (k *Key) Weak() bool {
	now := time.Now()
	return slices.ContainsFunc(k.Credentials, func(c Credential) bool {
		return c.Weak && !reached(c.ExpiresAt, now)
	})
}

// Hints returns the hints of the key's credentials, the newest first, leaving
// out those of custom texts, which have none.
func (k *Key) Hints() []string {
	hints := []string{}
	for _, c := range k.Credentials {
		if c.Hint != "" {
			hints = append(hints, c.Hint)
		}
	}
	return hints
}

// Clone returns a copy that shares nothing with k.
func (k *Key) Clone() *Key {
	c := *k
	c.Permissions = slices.Clone(k.Permissions)
	c.Credentials = slices.Clone(k.Credentials)
	c.Metadata = maps.Clone(k.Metadata)
	return &c
}

// withoutDigests returns a copy of the key for the host, who has no use for its
// digests, but might print them.
func (k *Key) withoutDigests() *Key {
	c := k.Clone()
	c.LastUsedAt = notAhead(c.LastUsedAt, time.Now())
	for i := range c.Credentials {
		c.Credentials[i].Digest = Digest{}
	}
	return c
}

// withoutCredentials returns a copy of the key for a handler.
func (k *Key) withoutCredentials() *Key {
	c := *k
	c.Credentials = nil
	c.LastUsedAt = notAhead(c.LastUsedAt, time.Now())
	return c.Clone()
}

// credential returns the key's credential with digest d, or nil. The comparison
// takes the same time wherever two digests differ.
func (k *Key) credential(d Digest) *Credential {
	if k == nil {
		return nil
	}
	for i := range k.Credentials {
		if k.Credentials[i].Digest.equal(d) {
			return &k.Credentials[i]
		}
	}
	return nil
}

// reached reports whether the moment t, if it is one, has come by the wall clock.
// A store may keep times as time.Now has made them; compared by the monotonic
// clock, such a one would not notice that the wall clock was set right.
func reached(t, now time.Time) bool {
	return !t.IsZero() && !now.Round(0).Before(t)
}

// maxAhead is how far ahead of the clock here a last use may seem to be. Clocks
// that are kept in step differ by less.
const maxAhead = 5 * time.Second

// notAhead returns the time of a use, or the latest that it can be taken for: the
// clock that said when it was may have been fast.
func notAhead(at, now time.Time) time.Time {
	if latest := storable(now.Add(maxAhead)); at.After(latest) {
		return latest
	}
	return at
}
