package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
)

// ErrLost says that Redis does not hold the store: it was flushed, restarted
// without its data, or has failed over to a server that lacks it. Restoring the
// data ends that. Restarting every process begins a new store without keys, unless
// they have [Options].MustExist.
var ErrLost = errors.New("redisstore: Redis has lost this store")

var (
	errGone    = fmt.Errorf("%w; restore its data, or restart every process to begin anew without keys", ErrLost)
	errAnother = fmt.Errorf("%w, and another process has begun a new one in its place", ErrLost)
)

// identityField is the field with the store's identity, in the hash with
// everything else, so that nothing there can be lost without it.
const identityField = "store"

// layout is the version of what scripts and records look like. An identity begins
// with it, so that a program of another version finds another store.
const layout = "1:"

// begin takes on the identity of the store in Redis, or gives it one.
func (s *Store) begin(ctx context.Context, mustExist bool) error {
	fresh := layout + rand.Text()
	if mustExist {
		fresh = ""
	}
	found, err := beginScript.Run(ctx, s.client, []string{s.keys, s.ids}, fresh, s.channel).Text()
	switch {
	case err != nil:
		return failed("opening the store", err)
	case found == "none":
		return fmt.Errorf("%w: there is no %s, and Options.MustExist is set", ErrLost, s.keys)
	case found == "damaged":
		return fmt.Errorf("%w: of %s and %s only one is there, or whole; restore or delete both", ErrLost, s.keys, s.ids)
	case !strings.HasPrefix(found, layout):
		return fmt.Errorf("redisstore: the store is of layout %.20q, and this program knows only %q: "+
			"another version of it has begun the store", found, layout)
	}
	s.identity = found
	return nil
}

// lost returns the error for a Redis that holds the identity found, nil if none.
func lost(found any) error {
	if found == nil {
		return errGone
	}
	return errAnother
}
