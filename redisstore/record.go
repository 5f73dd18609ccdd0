package redisstore

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// A record is a key as Redis holds it. It begins with what the scripts read or
// write, at fixed places; the script common.lua says which. Behind that are the
// texts, each after its length, which only this file knows.
const (
	recordFormat = 1

	digestBytes = len(apikey.Digest{})
	nonceBytes  = 8
	revokedFlag = 1
)

// encode returns the record of a key. Redis keeps any bytes, so nothing in a key
// is refused but an impossible number of credentials.
func encode(key *apikey.Key) ([]byte, error) {
	if len(key.Credentials) > math.MaxUint8 {
		return nil, fmt.Errorf("the key has %d credentials; at most %d fit", len(key.Credentials), math.MaxUint8)
	}
	b := make([]byte, 0, 512)
	var flags byte
	if !key.RevokedAt.IsZero() {
		flags = revokedFlag
	}
	b = append(b, recordFormat, flags)
	b = append(b, version(key.Version)...)
	b = appendTime(b, key.CreatedAt)
	b = appendTime(b, key.LastUsedAt)
	b = append(b, newNonce()...)
	b = append(b, byte(len(key.Credentials)))
	for i := range key.Credentials {
		b = append(b, key.Credentials[i].Digest[:]...)
	}
	return appendBody(b, key), nil
}

func appendBody(b []byte, key *apikey.Key) []byte {
	for _, text := range [...]string{key.ID, key.Name, key.Description, key.Subject} {
		b = appendText(b, text)
	}
	b = binary.AppendUvarint(b, uint64(len(key.Permissions)))
	for _, p := range key.Permissions {
		b = appendText(b, string(p))
	}
	b = binary.AppendUvarint(b, uint64(len(key.Metadata)))
	for _, name := range slices.Sorted(maps.Keys(key.Metadata)) {
		b = appendText(appendText(b, name), key.Metadata[name])
	}
	b = appendBool(append(b, byte(key.Logging)), key.Disabled)
	for _, t := range [...]time.Time{key.UpdatedAt, key.ExpiresAt, key.RevokedAt} {
		b = appendTime(b, t)
	}
	for i := range key.Credentials {
		c := &key.Credentials[i]
		b = appendBool(appendText(b, c.Hint), c.Weak)
		b = appendTime(appendTime(b, c.CreatedAt), c.ExpiresAt)
	}
	return b
}

func version(v int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(v)) }

// newNonce returns what marks one write. Where go-redis sends it again, because
// the connection broke before the answer came, the script recognises its own work.
func newNonce() []byte {
	nonce := make([]byte, nonceBytes)
	_, _ = rand.Read(nonce) // it never fails
	return nonce
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendBool(b []byte, is bool) []byte {
	if is {
		return append(b, 1)
	}
	return append(b, 0)
}

// appendTime appends the microseconds since 1970 such that times sort by their
// bytes, or zeros for the zero time.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, make([]byte, 8)...)
	}
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro())^1<<63)
}

var errDamaged = errors.New("a record is damaged, or of a newer version of this program")

// decode returns the key of a record. The key's texts share the record's memory.
func decode(record string) (*apikey.Key, error) {
	r := reader{rest: record}
	if r.byte() != recordFormat {
		return nil, errDamaged
	}
	r.take(1) // flags
	key := &apikey.Key{Version: int64(r.uint64()), CreatedAt: r.time(), LastUsedAt: r.time()}
	r.take(nonceBytes)
	key.Credentials = make([]apikey.Credential, r.byte())
	for i := range key.Credentials {
		copy(key.Credentials[i].Digest[:], r.take(digestBytes))
	}
	r.body(key)
	if r.bad || r.rest != "" {
		return nil, errDamaged
	}
	return key, nil
}

// A reader reads what encode has written. Once something is missing it is bad,
// and returns zeros.
type reader struct {
	rest string
	bad  bool
}

func (r *reader) body(key *apikey.Key) {
	key.ID, key.Name, key.Description, key.Subject = r.text(), r.text(), r.text(), r.text()
	if n := r.count(1); n > 0 {
		key.Permissions = make([]apikey.Permission, n)
		for i := range key.Permissions {
			key.Permissions[i] = apikey.Permission(r.text())
		}
	}
	if n := r.count(2); n > 0 {
		key.Metadata = make(map[string]string, n)
		for range n {
			name := r.text()
			key.Metadata[name] = r.text()
		}
	}
	key.Logging = apikey.Logging(r.byte()) & apikey.LogBoth
	key.Disabled = r.byte() != 0
	key.UpdatedAt, key.ExpiresAt, key.RevokedAt = r.time(), r.time(), r.time()
	for i := range key.Credentials {
		c := &key.Credentials[i]
		c.Hint, c.Weak = r.text(), r.byte() != 0
		c.CreatedAt, c.ExpiresAt = r.time(), r.time()
	}
}

// take returns the next n bytes.
func (r *reader) take(n int) string {
	if n > len(r.rest) {
		r.bad, r.rest = true, ""
	}
	if r.bad {
		return ""
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.take(1); b != "" {
		return b[0]
	}
	return 0
}

func (r *reader) uint64() (v uint64) {
	for _, b := range []byte(r.take(8)) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (r *reader) time() time.Time {
	if v := r.uint64(); v != 0 {
		return time.UnixMicro(int64(v ^ 1<<63)).UTC()
	}
	return time.Time{}
}

func (r *reader) uvarint() (v uint64) {
	for shift := 0; shift < 7*binary.MaxVarintLen64; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	return v
}

// varint returns a number as binary.AppendVarint writes it.
func (r *reader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// count returns a number of things that take least bytes each or more, so that no
// damaged record asks for more memory than its own size.
func (r *reader) count(least int) int {
	n := r.uvarint()
	if n > uint64(len(r.rest)/least) {
		r.bad, r.rest = true, ""
		return 0
	}
	return int(n)
}

func (r *reader) text() string { return r.take(r.count(1)) }
