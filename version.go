package apikey

import "context"

type versionKey struct{}

// WithVersion returns a context in which [Authority.Rotate], RotateCustom, Revoke and
// Delete act on a key only if its Version is still that one, and else return an error
// that wraps [ErrConflict]: for those who act on what somebody has read. Without it
// they act on whatever is there. Delete looks at the version just before it deletes:
// what is changed in between is deleted too.
func WithVersion(ctx context.Context, version int64) context.Context {
	return context.WithValue(ctx, versionKey{}, version)
}

// checkVersion returns ErrConflict if ctx asks for another version of the key.
func checkVersion(ctx context.Context, key *Key) error {
	if want, ok := ctx.Value(versionKey{}).(int64); ok && key.Version != want {
		return ErrConflict
	}
	return nil
}
