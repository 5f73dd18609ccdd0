package apikey

import (
	"context"
	"errors"
	"time"
)

// A Store finds keys. This one method is all that the middleware needs, so a
// table that a host already has becomes a store in ten lines.
//
// An implementation must keep these rules, which package apikeytest checks:
//
//   - Lookup returns the key that has a [Credential] with exactly the bytes of
//     digest, whatever the key's state: refusing disabled, expired and revoked
//     keys is the caller's work.
//   - What it returns depends on digest alone. Where lookups are cached, ctx has none
//     of the request's values, and the answer serves other requests too.
//   - Where there is none, the error wraps [ErrNotFound]. Any other error means
//     that the store could not tell, and is answered with 503. It never returns
//     a nil Key with a nil error.
//   - The returned Key belongs to the caller: changing it changes nothing in the
//     store. Its Credentials hold at least the one asked for.
//   - It is safe for concurrent use, and returns soon after ctx is done, then
//     with the key or with an error other than ErrNotFound.
//   - No error holds a digest or a key's text.
//
// What else it can do, [New] finds out by asserting [ManagedStore], [UseRecorder],
// [MarkerStore], [ChangeFeed] and [LogSink]: a type that wraps a Store, or embeds the
// interface, has only what it implements itself.
type Store interface {
	Lookup(ctx context.Context, digest Digest) (*Key, error)
}

// A ManagedStore is a [Store] that an [Authority] can also issue, change and
// delete keys in.
//
// Beyond the rules of Store:
//
//   - What a method acknowledged is durable and visible to every later call.
//     What it refused has changed nothing.
//   - Keys passed in are not kept and not changed; keys handed out belong to
//     the caller.
//   - Every field of a Key is kept, times at least to the microsecond. Texts
//     come back byte for byte.
type ManagedStore interface {
	Store

	// Create stores a new key, and its Version as given. The error wraps
	// [ErrExists] where the ID is taken, or else [ErrInUse] where a credential's
	// digest is, by whatever key and in whatever state.
	Create(ctx context.Context, key *Key) error

	// Get returns the key with that ID. The error wraps [ErrNotFound] where
	// there is none.
	Get(ctx context.Context, id string) (*Key, error)

	// List returns the keys that q selects, by ID from last to first, which is
	// newest first. No match is an empty list and no error.
	List(ctx context.Context, q Query) ([]*Key, error)

	// Update replaces the stored key that has key's ID and key's Version, its
	// credentials included, and stores Version+1. ID, CreatedAt and LastUsedAt
	// stay as they are stored. The error wraps [ErrNotFound] where there is no
	// such ID, [ErrConflict] where its Version differs, and [ErrInUse] where
	// another key has one of the digests.
	Update(ctx context.Context, key *Key) error

	// Delete removes the key and frees its digests. Deleting a key that is not
	// there is no error.
	Delete(ctx context.Context, id string) error
}

// A Query selects keys from a [ManagedStore].
type Query struct {
	// After is the ID of the last key of the page before; only keys that sort
	// behind it are listed. Empty: from the start. It need not exist any more.
	After string
	// Limit is the most keys to return. Stores get at least 1; [Authority.Keys] takes 0
	// for 50.
	Limit int
	// Search selects keys whose ID, name, description or subject contains this
	// text, ASCII letters in either case. It is a plain text: nothing in it is a
	// wildcard. Empty: all keys.
	Search string
}

// Errors of stores. An implementation returns errors that wrap them.
var (
	// ErrNotFound says that there is no such key.
	ErrNotFound = errors.New("apikey: no such key")
	// ErrExists says that a key with this ID exists.
	ErrExists = errors.New("apikey: a key with this ID exists")
	// ErrInUse says that a key, perhaps a revoked one, has this text.
	ErrInUse = errors.New("apikey: this key text is in use")
	// ErrConflict says that the key has changed since it was read.
	ErrConflict = errors.New("apikey: the key has changed since it was read")
)

// A UseRecorder is a [Store] that can note when keys were last used. An
// [Authority] calls it once in 30 seconds at most, with all keys used since.
// Without it LastUsedAt stays as it is, and credentials keep their pepper.
//
// RecordUses sets LastUsedAt of each key that exists and is not revoked to At,
// unless it is later already. It never creates a key, and changes neither
// Version nor UpdatedAt. Where a Use has a To, the key's credential with the
// digest From gets the digest To instead, if From is still there and To is in
// use nowhere. One that does not apply is passed over and is no error.
type UseRecorder interface {
	RecordUses(ctx context.Context, uses []Use) error
}

// A Use is the last use of one key since the batch before.
type Use struct {
	KeyID string
	At    time.Time
	// From and To are zero unless the key was recognised under an older pepper:
	// then its credential moves from one digest to the other.
	From, To Digest
}

// A MarkerStore can keep one opaque marker of up to 64 bytes, by which an
// [Authority] notices at start-up that it was given the wrong pepper.
type MarkerStore interface {
	// Marker returns the marker, or nil where none was ever set.
	Marker(ctx context.Context) ([]byte, error)
	// SwapMarker sets the marker to next, which is not nil, if it still is old,
	// nil for none. The error wraps [ErrConflict] where it is not.
	SwapMarker(ctx context.Context, old, next []byte) error
}

// A ChangeFeed is a [Store] that tells of changes as they are made, by whatever node,
// so that an [Authority] may keep what it has looked up.
type ChangeFeed interface {
	// Watch calls changed with the ID of each key that was created, updated or
	// deleted, within a second of the moment the change was acknowledged. It calls
	// changed with "" as soon as every change from then on will be told, and again
	// wherever one may have been missed. It returns once ctx is done or it can no
	// longer tell, with the reason, and is then called again: a Watch is one
	// connection, and leaves reconnecting to its caller. changed returns at once
	// and is not called after Watch has returned.
	Watch(ctx context.Context, changed func(id string)) error
}
