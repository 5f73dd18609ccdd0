package apikey

import (
	"context"
	"fmt"
	"io"
)

// An identity is the context of a request whose key is known. It is a context of
// its own, and not a value in one, for that saves an allocation a request.
type identity struct {
	context.Context
	core  func() *core // a pointer would lead to the texts in the recorder: see visit
	key   *Key         // perhaps the store's own: never changed, never handed out; nil: not known yet
	via   *[]Source    // the places of its text
	visit *visit       // what the access log will say of the request; nil: nothing
}

// identityKey asks for the innermost identity; a *core asks for its own.
type identityKey struct{}

// Value implements [context.Context].
func (id *identity) Value(key any) any {
	switch key := key.(type) {
	case identityKey:
		if id.key != nil {
			return id
		}
	case *core:
		if key == id.core() {
			return id
		}
	case visitKey:
		if id.visit != nil {
			return id.visit
		}
	}
	return id.Context.Value(key)
}

// Format writes a name for every verb: a context that is printed must not show the
// digests of the key inside.
func (id *identity) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "apikey context") }

func identityOf(ctx context.Context, key any) *identity {
	id, _ := ctx.Value(key).(*identity)
	return id
}

// FromContext returns the key of the request whose context ctx is or descends
// from, as [Authority.Require] or [Authority.Check] found it; of nested Authorities, the
// innermost. ok is false, and the Key zero, where neither has let the request through. The
// copy is the caller's own and holds no credentials.
func FromContext(ctx context.Context) (key Key, ok bool) {
	id := identityOf(ctx, identityKey{})
	if id == nil {
		return Key{}, false
	}
	return *id.key.withoutCredentials(), true
}
