// Package peers has other libraries' servers, each with the same keys behind its
// check of them, and what all that is compared has in common: keys, bodies, memory.
package peers

import (
	"crypto/sha256"
	"hash/crc32"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// Need is what every route asks for, and every key holds.
const Need = apikey.JobsView

// Path is where every route is.
const Path = "/api/jobs/status"

// A Key is what a server has to know of a key to judge it.
type Key struct {
	ID          string
	Permissions []apikey.Permission
	Expires     time.Time
}

// Keys are found by the SHA-256 of their texts.
type Keys map[[sha256.Size]byte]*Key

// MaxText is the longest text that is looked up.
const MaxText = 256

// Find returns the key that text opens now, if it may do what need says. It is
// what each peer's validator calls, so that they differ in nothing but themselves.
func (k Keys) Find(text string, need apikey.Permission) *Key {
	key, _ := k.judge(text, need)
	return key
}

// judge returns the key that text opens, or the status that refuses it.
func (k Keys) judge(text string, need apikey.Permission) (*Key, int) {
	if len(text) > MaxText {
		return nil, http.StatusUnauthorized
	}
	var buf [MaxText]byte
	key := k[sha256.Sum256(buf[:copy(buf[:], text)])]
	if key == nil || !key.Expires.IsZero() && !time.Now().Before(key.Expires) {
		return nil, http.StatusUnauthorized
	}
	if !slices.Contains(key.Permissions, need) {
		return nil, http.StatusForbidden
	}
	return key, http.StatusOK
}

const (
	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	prefix = apikey.DefaultPrefix + "_"
	random = 43 // characters
	sum    = 6
)

// Text returns a text in the form of a generated key, checksum included, which
// depends on n alone. Keys that people chose are spared the checksum, and so a
// little quicker.
func Text(n int) string {
	r := rand.New(rand.NewPCG(uint64(n), 1)) //nolint:gosec // the same texts in each run
	text := make([]byte, 0, len(prefix)+random+sum)
	text = append(text, prefix...)
	for range random {
		text = append(text, base62[r.IntN(len(base62))])
	}
	digits := make([]byte, sum)
	rest := crc32.ChecksumIEEE(text)
	for i := sum - 1; i >= 0; i-- {
		digits[i] = base62[rest%62]
		rest /= 62
	}
	return string(append(text, digits...))
}

// Mistyped returns the nth text with a wrong checksum.
func Mistyped(n int) string {
	text := []byte(Text(n))
	last := &text[len(text)-1]
	*last = '0' + (*last-'0'+1)%10
	return string(text)
}
