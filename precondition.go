package apikey

// A Precondition is what must hold of a key that is to be changed.
type Precondition struct{ version int64 }

// IfVersion is for those who act on what somebody has read: [Authority.Rotate],
// RotateCustom, Revoke and Delete then change the key only if its Version is still
// that one, and else return an error that wraps [ErrConflict]. Without it they act on
// whatever is there. Delete looks at the version just before it deletes: what is
// changed in between is deleted too.
func IfVersion(version int64) Precondition { return Precondition{version} }

// checkAll returns ErrConflict if one of the preconditions does not hold.
func checkAll(preconditions []Precondition, key *Key) error {
	for _, p := range preconditions {
		if key.Version != p.version {
			return ErrConflict
		}
	}
	return nil
}
