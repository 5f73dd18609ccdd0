package redisstore

import (
	"encoding/base32"
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// A logID is the ID of an entry as Redis has it, in 16 bytes: nanoseconds since
// 1970, and what tells entries of one moment apart. Its order is that of time.
type logID string

const logIDBytes = 16

// logIDs is how package apikey spells IDs, in their order.
var logIDs = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

var errLogID = errors.New("the text is not the ID of an entry")

func parseLogID(text string) (logID, error) {
	id, err := logIDs.DecodeString(text)
	// The last letter has bits to spare: only one spelling is an ID.
	if err != nil || len(id) != logIDBytes || logID(id).String() != text {
		return "", errLogID
	}
	return logID(id), nil
}

func (id logID) String() string { return logIDs.EncodeToString([]byte(id)) }

// time returns the moment of the entry, in the precision of [apikey.LogEntry].
func (id logID) time() time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64([]byte(id[:8])))).UTC().Truncate(time.Microsecond)
}

// firstLogID returns the ID that sorts before those of all entries from t on.
func firstLogID(t time.Time) logID {
	nanos := int64(0)
	switch {
	case t.After(time.Unix(0, math.MaxInt64-int64(time.Microsecond))):
		nanos = math.MaxInt64
	case t.After(time.Unix(0, 0)):
		// Entries have microseconds, so that those below are rounded up.
		nanos = t.Add(time.Microsecond - 1).Truncate(time.Microsecond).UnixNano()
	}
	id := make([]byte, logIDBytes)
	binary.BigEndian.PutUint64(id, uint64(nanos))
	return logID(id)
}
