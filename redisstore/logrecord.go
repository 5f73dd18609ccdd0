package redisstore

import (
	"encoding/binary"
	"math"

	"github.com/seed-be062aaa/apikey"
)

// An entry is a member of the sorted set: its ID, what it counts for and two more
// bytes, which the script log.lua describes as far as it reads them, then numbers
// and texts. The texts of its bodies are apart, where no search has to pass them.
// Equal entries have equal members.
const (
	logFormat = 1

	logTextsFlag  = 1 << 0
	logOwnFlag    = 1 << 1 // the request's ID is the entry's
	logCutInFlag  = 1 << 2
	logCutOutFlag = 1 << 3

	logHeadBytes = logIDBytes + 4 + 2
)

// What Redis needs beside the bytes of a member, and of texts, as far as its
// allocator does not round them up. Those of bodies are often cut at a power of
// two, which is the worst case: a quarter more.
const (
	memberOverhead = 128
	textsOverhead  = 100
)

// encodeLog returns the member of an entry and the texts of its bodies, empty for
// none.
func encodeLog(id logID, e *apikey.LogEntry) (member, texts []byte) {
	var flags byte
	requestID := e.RequestID
	if requestID == e.ID {
		flags, requestID = flags|logOwnFlag, ""
	}
	if e.Request.Truncated {
		flags |= logCutInFlag
	}
	if e.Response.Truncated {
		flags |= logCutOutFlag
	}
	size := memberOverhead
	if in, out := e.Request.Text, e.Response.Text; in != "" || out != "" {
		flags |= logTextsFlag
		texts = append(appendText(make([]byte, 0, binary.MaxVarintLen64+len(in)+len(out)), in), out...)
		size += textsOverhead + len(texts) + len(texts)/4
	}
	b := make([]byte, logHeadBytes, 256)
	copy(b, id)
	b[logHeadBytes-2], b[logHeadBytes-1] = logFormat, flags
	b = binary.AppendVarint(b, int64(e.Status))
	for _, number := range logNumbers(e) {
		b = binary.AppendVarint(b, *number)
	}
	b = appendText(b, requestID)
	for _, text := range logTexts(e) {
		b = appendText(b, *text)
	}
	// Below 255 in its first byte, as the script expects; Redis has no value as long.
	size = min(size+len(b), math.MaxUint32>>1)
	binary.BigEndian.PutUint32(b[logIDBytes:], uint32(size))
	return b, texts
}

// logNumbers and logTexts are the fields that a member holds as they are.

func logNumbers(e *apikey.LogEntry) [4]*int64 {
	return [...]*int64{&e.RequestBytes, &e.ResponseBytes, (*int64)(&e.Duration), &e.Lost}
}

func logTexts(e *apikey.LogEntry) [17]*string {
	return [...]*string{
		&e.KeyID, (*string)(&e.Outcome), &e.Reason, &e.Fingerprint, &e.Method, &e.Path, &e.Route, &e.Query, &e.Permission,
		&e.Client, &e.Request.Type, &e.Request.Omitted, &e.Response.Type, &e.Response.Omitted,
		&e.Actor, (*string)(&e.Action), &e.Detail,
	}
}

// decodeLog returns the entry of a member, whose memory its texts share, and
// whether its bodies have texts.
func decodeLog(member string) (e apikey.LogEntry, texts bool, err error) {
	if len(member) < logHeadBytes || member[logHeadBytes-2] != logFormat {
		return e, false, errDamaged
	}
	id, flags := logID(member[:logIDBytes]), member[logHeadBytes-1]
	e.ID, e.Time = id.String(), id.time()
	e.Request.Truncated, e.Response.Truncated = flags&logCutInFlag != 0, flags&logCutOutFlag != 0
	r := reader{rest: member[logHeadBytes:]}
	e.Status = int(r.varint())
	for _, number := range logNumbers(&e) {
		*number = r.varint()
	}
	if e.RequestID = r.text(); flags&logOwnFlag != 0 {
		e.RequestID = e.ID
	}
	for _, text := range logTexts(&e) {
		*text = r.text()
	}
	if r.bad || r.rest != "" {
		return e, false, errDamaged
	}
	return e, flags&logTextsFlag != 0, nil
}

// decodeLogTexts sets the texts of the entry's bodies.
func decodeLogTexts(e *apikey.LogEntry, texts string) error {
	r := reader{rest: texts}
	e.Request.Text = r.text()
	e.Response.Text = r.rest
	if r.bad {
		return errDamaged
	}
	return nil
}
