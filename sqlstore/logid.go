package sqlstore

import (
	"bytes"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// A logID is the ID of an entry as the database has it: nanoseconds since 1970,
// and eight bytes that tell entries of one moment apart. Its order is that of
// time.
type logID [16]byte

// logIDs is how package apikey spells IDs, in their order.
var logIDs = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

var errLogID = errors.New("the text is not the ID of an entry")

func parseLogID(text string) (id logID, err error) {
	if len(text) != logIDs.EncodedLen(len(id)) {
		return id, errLogID
	}
	// The last letter has bits to spare: only one spelling is an ID.
	if _, err := logIDs.Decode(id[:], []byte(text)); err != nil || id.String() != text {
		return id, errLogID
	}
	return id, nil
}

func (id logID) String() string { return logIDs.EncodeToString(id[:]) }

func (id logID) compare(other logID) int { return bytes.Compare(id[:], other[:]) }

// time returns the moment of the entry, in the precision of [apikey.LogEntry].
func (id logID) time() time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(id[:]))).UTC().Truncate(time.Microsecond)
}

// next returns the ID behind id.
func (id logID) next() logID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]++
		if id[i] != 0 {
			break
		}
	}
	return id
}

// firstLogID returns the ID that sorts before those of all entries from t on.
// Entries have microseconds, so that those below are rounded up.
func firstLogID(t time.Time) logID {
	if floor := t.Truncate(time.Microsecond); floor.Before(t) {
		t = floor.Add(time.Microsecond)
	}
	switch {
	case t.Before(time.Unix(0, 0)):
		return idOfNanos(0)
	case t.After(time.Unix(0, math.MaxInt64)):
		return idOfNanos(math.MaxInt64)
	}
	return idOfNanos(uint64(t.UnixNano()))
}

func idOfNanos(nanos uint64) (id logID) {
	binary.BigEndian.PutUint64(id[:], nanos)
	return id
}

// slotBits is how much of an ID's time is left out of its slot: a slot is 2^30
// nanoseconds, or a little more than a second.
const slotBits = 30

// slot returns the slot of time that the entry is in.
func (id logID) slot() int64 { return int64(binary.BigEndian.Uint64(id[:]) >> slotBits) }

// slotStart returns the ID that sorts before all others of the slot.
func slotStart(slot int64) logID { return idOfNanos(uint64(slot) << slotBits) }
