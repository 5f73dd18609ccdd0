package apikey

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"
)

// A generated key is a prefix, an underscore, 256 random bits and a checksum,
// the last two in base62: letters and digits pass through every transport and
// are selected by one double click. At 55 bytes at most, one SHA-256 block
// holds it together with its padding.
const (
	base62       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	randomBytes  = 32
	randomDigits = 43 // 62^43 > 2^256
	sumDigits    = 6  // 62^6 > 2^32
	maxPrefix    = 5
	hintLen      = 4
)

// DefaultPrefix begins generated keys where [Options.Prefix] is empty.
const DefaultPrefix = "apik"

func validatePrefix(prefix string) error {
	if !isPrefix(prefix) {
		return fmt.Errorf("apikey: prefix %q is not a lower-case letter followed by up to %d lower-case letters and digits",
			prefix, maxPrefix-1)
	}
	return nil
}

func isPrefix(s string) bool {
	if s == "" || len(s) > maxPrefix || '0' <= s[0] && s[0] <= '9' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || 'z' < c) && (c < '0' || '9' < c) {
			return false
		}
	}
	return true
}

// generate returns a new key text.
func generate(prefix string) string {
	var random [randomBytes]byte
	_, _ = rand.Read(random[:]) // crypto/rand never fails: it ends the program instead
	text := prefix + "_" + digits62(new(big.Int).SetBytes(random[:]), randomDigits)
	return text + digits62(big.NewInt(int64(checksum(text))), sumDigits)
}

// digits62 writes n in base62, filled with zeros to the width.
func digits62(n *big.Int, width int) string {
	out := make([]byte, width)
	base, digit := big.NewInt(int64(len(base62))), new(big.Int)
	for i := width - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		out[i] = base62[digit.Int64()]
	}
	return string(out)
}

// idEncoding keeps the order of the bytes it encodes.
var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// bootstrapID is the ID of the key made by [Authority.Bootstrap]: that of a key
// older than all others.
var bootstrapID = idEncoding.EncodeToString(make([]byte, 16))

// lastID is the time in the last ID of this process.
var lastID atomic.Int64

// newID returns a text of 26 letters and digits that sorts behind all earlier
// ones of this process, and behind those of others as far as clocks agree.
func newID(now time.Time) string {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], uint64(later(now.UnixNano())))
	_, _ = rand.Read(id[8:])
	return idEncoding.EncodeToString(id[:])
}

// later returns t, or the next moment after the last one returned.
func later(t int64) int64 {
	for {
		last := lastID.Load()
		t = max(t, last+1)
		if lastID.CompareAndSwap(last, t) {
			return t
		}
	}
}
