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
		"auth", "authorization", "cookie", "jwt", "otp", "pass", "passcode", "pin", "proxyauthorization", "pwd", "session",
		"sessionid", "setcookie", "sid", "sig", "ticket",
	}
	endsOfSecretNames = []string{
		"accesskey", "apikey", "bearer", "clientkey", "credential", "credentials", "passphrase", "passwd", "password",
		"password1", "password2", "passwordconfirmation", "privatekey", "secret", "secretkey", "sessionkey", "signature",
		"signingkey", "token",
	}
)

const maxSecretName = 64

// secretNames knows the names of secrets. Most names are ruled out by their last two
// letters, and most of the others by the one before them.
type secretNames struct {
	last   [1 << 10]uint16 // by those two letters: which of groups
	groups [][]secretName
	before [256]uint64     // by the last byte of a name: the kinds of those before it
	third  [1 << 10]uint64 // by the last two letters: the kinds of those before them
}

// A secretName is a name, folded, that others are, or end in.
type secretName struct {
	folded string
	whole  bool
}

func newSecretNames(more []string) *secretNames {
	n := &secretNames{groups: make([][]secretName, 1)}
	for _, name := range slices.Concat(wholeSecretNames, more) {
		n.add(secretName{foldName(name), true})
	}
	for _, name := range endsOfSecretNames {
		n.add(secretName{name, false})
	}
	return n
}

func (n *secretNames) add(name secretName) {
	two := lastLetters(name.folded)
	if n.last[two] == 0 {
		n.last[two] = uint16(len(n.groups))
		n.groups = append(n.groups, nil)
	}
	group := &n.groups[n.last[two]]
	*group = append(*group, name)
	padded := "&&" + name.folded // what is before a name is of another kind than its letters
	end := len(padded)
	n.third[two] |= 1 << kindOf[padded[end-3]]
	for last := int(padded[end-1] & 31); last < len(n.before); last += 32 {
		n.before[last] |= 1 << kindOf[padded[end-2]]
	}
}

// A letter or digit is of the kind that its lowest five bits say.
const (
	kindOther = 32 + iota // it may end what is before a name, or be a letter of another language
	kindJoint             // it does not count
)

var kindOf = func() (kinds [256]uint8) {
	for c, value := range digits62of {
		switch {
		case isJoint(byte(c)):
			kinds[c] = kindJoint
		case value == noDigit:
			kinds[c] = kindOther
		default:
			kinds[c] = uint8(c & 31)
		}
	}
	return kinds
}()

// mayEnd reports whether a secret's name may end before a place in a text, or one of
// the names whose endings are given. It looks at three letters.
func (n *secretNames) mayEnd(text string, end int, endings uint64) bool {
	if end < 4 {
		return true
	}
	last, before := text[end-1], text[end-2]
	if endings>>endingOf(before, last)&1 != 0 || kindOf[last] >= kindOther {
		return true
	}
	kind := kindOf[before]
	if kind == kindJoint {
		return true
	}
	if n.before[last]>>(kind&63)&1 == 0 {
		return false
	}
	third := kindOf[text[end-3]]
	if third == kindJoint {
		third = kindOf[text[end-4]]
	}
	return kind == kindOther || third == kindJoint || n.third[int(last&31)<<5|int(before&31)]>>(third&63)&1 != 0
}

// endingsOf returns a bit for the last two letters of each name of the places.
func endingsOf(places []Source) (endings uint64) {
	for i := range places {
		switch name := places[i].name; len(name) {
		case 0:
		case 1:
			for before := range 32 {
				endings |= 1 << endingOf(byte(before), name[0])
			}
		default:
			endings |= 1 << endingOf(name[len(name)-2], name[len(name)-1])
		}
	}
	return endings
}

// endingOf returns a number below 64 that names have in common, in any case, which end
// in those two bytes.
func endingOf(before, last byte) uint8 { return (before*2 + last&31) & 63 }

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
func isJoint(c byte) bool { return c == '-' || c == '_' || c == '.' || c == ' ' || isBracket(c) }

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// foldName returns a name as secret names are compared: its ASCII letters small,
// without joints.
func foldName(name string) string {
	folded := make([]byte, 0, maxSecretName)
	for i := range len(name) {
		if c := name[i]; !isJoint(c) {
			folded = append(folded, lowerASCII(c))
		}
	}
	return string(folded)
}

// place reports whether a source of that kind has the name, in either case: a client
// that got that wrong has sent a key all the same.
func (h *hunt) place(kind sourceKind, name string) bool {
	return slices.ContainsFunc(h.places, func(s Source) bool { return s.kind == kind && strings.EqualFold(s.name, name) })
}

// findPairs finds the values of secret pairs of a query or a form, and of those
// that a source of that kind names.
func (h *hunt) findPairs(text string, kind sourceKind) {
	for start := 0; start < len(text); {
		end := len(text)
		if n := strings.IndexByte(text[start:], '&'); n >= 0 {
			end = start + n
		}
		if n := strings.IndexByte(text[start:end], '='); n >= 0 && h.isPair(kind, text, start, start+n) {
			h.add(start+n+1, end)
		}
		start = end + 1
	}
}

// isPair reports whether a name of a pair is a secret's, or a source's of that kind.
func (h *hunt) isPair(kind sourceKind, text string, start, end int) bool {
	// Any of the letters by which most names are ruled out may be escaped, and a plus sign
	// is a space, which does not count.
	last := text[max(start, end-6):end]
	escaped := strings.IndexByte(last, '%') >= 0 || strings.IndexByte(last, '+') >= 0
	if !escaped && !h.names.mayEnd(text, end, h.endings) {
		return false
	}
	name := text[start:end]
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	return h.names.has(name) || h.place(kind, name)
}
