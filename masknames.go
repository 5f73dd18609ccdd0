package apikey

import (
	"net/url"
	"slices"
	"strings"
)

// Names whose values are secrets: as a whole, and at the end of longer names, as
// in newPassword and client_secret.
var (
	wholeSecretNames = []string{
		"auth", "authorization", "cookie", "jwt", "otp", "passcode", "pin", "proxyauthorization", "pwd", "session",
		"sessionid", "setcookie", "sid", "sig", "signature", "ticket",
	}
	endsOfSecretNames = []string{
		"accesskey", "apikey", "bearer", "clientkey", "credential", "credentials", "passphrase", "passwd", "password",
		"privatekey", "secret", "secretkey", "sessionkey", "signingkey", "token",
	}
)

const maxSecretName = 64

// secretNames knows the names of secrets. Most names are ruled out by their last two
// letters, and most of the others by the next.
type secretNames struct {
	last   [1 << 10]uint16 // by those two letters: which of groups
	groups [][]secretName
	before [256]uint64 // by the last byte of a name: the bits of those before it
}

// A secretName is a name, folded, that others are, or end in.
type secretName struct {
	folded string
	whole  bool
}

func newSecretNames(more []string) *secretNames {
	n := &secretNames{groups: make([][]secretName, 1)}
	for c := range n.before {
		if bitBefore[c] == bitOther {
			n.before[c] = ^uint64(0) // it says nothing of the letters before it
		}
	}
	for _, name := range slices.Concat(wholeSecretNames, more) {
		n.add(secretName{foldName(name), true})
	}
	for _, name := range endsOfSecretNames {
		n.add(secretName{name, false})
	}
	return n
}

func (n *secretNames) add(name secretName) {
	group := &n.last[lastLetters(name.folded)]
	if *group == 0 {
		*group = uint16(len(n.groups))
		n.groups = append(n.groups, nil)
	}
	n.groups[*group] = append(n.groups[*group], name)
	length := len(name.folded)
	if length == 0 {
		return
	}
	bits := uint64(1) << bitOther
	if length > 1 {
		bits |= 1 << (name.folded[length-2] & 31)
	}
	for c := name.folded[length-1] & 31; ; c += 32 {
		n.before[c] |= bits
		if c >= 256-32 {
			return
		}
	}
}

// bitOther stands for all bytes but letters and digits: what is before them may
// belong to a name.
const bitOther = 32

var bitBefore = func() (bits [256]uint8) {
	for c, value := range digits62of {
		bits[c] = uint8(c) & 31
		if value == noDigit {
			bits[c] = bitOther
		}
	}
	return bits
}()

// mayEnd reports whether a secret's name may end before a place in a text, or one of
// the names whose endings are given.
func (n *secretNames) mayEnd(text string, end int, endings uint32) bool {
	if end == 0 {
		return false
	}
	last, bit := text[end-1], uint8(bitOther)
	if end > 1 {
		bit = bitBefore[text[end-2]]
	}
	return (n.before[last]>>(bit&63)|uint64(endings>>(last&31)))&1 != 0
}

// endingsOf returns a bit for the last letter of each name of the places.
func endingsOf(places []Source) (endings uint32) {
	for i := range places {
		if name := places[i].name; name != "" {
			endings |= 1 << (name[len(name)-1] & 31)
		}
	}
	return endings
}

// lastLetters returns a number that names have in common whose folded forms end
// alike.
func lastLetters(name string) int {
	number, letters := 0, 0
	for i := len(name) - 1; i >= 0 && letters < 2; i-- {
		if c := name[i]; !isJoint(c) {
			number = number<<5 | int(c&31)
			letters++
		}
	}
	return number
}

func (n *secretNames) has(name string) bool {
	if name == "" || len(name) > maxSecretName {
		return false
	}
	for _, secret := range n.groups[n.last[lastLetters(name)]] {
		if secret.is(name) {
			return true
		}
	}
	return false
}

// is reports whether a name is the secret's, once it is folded.
func (s *secretName) is(name string) bool {
	left := len(s.folded)
	for i := len(name) - 1; i >= 0; i-- {
		c := name[i]
		switch {
		case isJoint(c):
			continue
		case left == 0:
			return !s.whole
		case lowerASCII(c) != s.folded[left-1]:
			return false
		}
		left--
	}
	return left == 0
}

// isJoint reports whether a byte in a name does not count.
func isJoint(c byte) bool { return c == '-' || c == '_' || c == '.' }

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// foldName returns a name as secret names are compared: its ASCII letters small,
// without "-", "_" and ".".
func foldName(name string) string {
	folded := make([]byte, 0, maxSecretName)
	for i := range len(name) {
		if c := name[i]; !isJoint(c) {
			folded = append(folded, lowerASCII(c))
		}
	}
	return string(folded)
}

// place reports whether a source of that kind has the name.
func (h *hunt) place(kind sourceKind, name string) bool {
	return slices.ContainsFunc(h.places, func(s Source) bool { return s.kind == kind && s.name == name })
}

// findPairs finds the values of secret pairs of a query or a form, and of those
// that a source of that kind names.
func (h *hunt) findPairs(text string, kind sourceKind) {
	for start := 0; start < len(text); {
		end := len(text)
		if n := strings.IndexByte(text[start:], '&'); n >= 0 {
			end = start + n
		}
		if n := strings.IndexByte(text[start:end], '='); n >= 0 && h.isPair(kind, text[start:start+n]) {
			h.add(start+n+1, end)
		}
		start = end + 1
	}
}

// isPair reports whether a name of a pair is a secret's, or a source's of that kind.
func (h *hunt) isPair(kind sourceKind, name string) bool {
	escaped := strings.IndexByte(name[max(0, len(name)-4):], '%') >= 0 // one of its last two letters
	if !escaped && !h.names.mayEnd(name, len(name), h.endings) {
		return false
	}
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	return h.names.has(name) || h.place(kind, name)
}
