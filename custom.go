package apikey

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

const (
	maxKeyBytes = 256
	// strongBits is the strength from which NIST SP 800-63B asks for no slow
	// hash.
	strongBits = 112
	// advisedLength is how many random letters and digits hardly ever seem weak.
	advisedLength = 28
)

// A CustomPolicy decides whether an administrator may choose text as a key.
// weak says that [Authority] thinks it can be guessed. The error it returns is
// shown to the administrator and must not repeat the text.
type CustomPolicy func(ctx context.Context, text Secret, weak bool) error

// RefuseWeak is a [CustomPolicy] that refuses weak texts.
func RefuseWeak(_ context.Context, _ Secret, weak bool) error {
	if weak {
		return fmt.Errorf("the key can be guessed: choose at least %d random letters and digits, or let one be generated",
			advisedLength)
	}
	return nil
}

var (
	errKeyText = fmt.Errorf("a key has 1 to %d bytes of UTF-8, no control characters, "+
		"and no white space at either end", maxKeyBytes)
	errMistyped = errors.New("the text has the form of a generated key, but its checksum is wrong: " +
		"was a character lost?")
)

// isKeyText reports whether text can be a key at all. Nothing is trimmed, folded
// or normalised on the way.
func isKeyText(text string) bool {
	if text == "" || len(text) > maxKeyBytes {
		return false
	}
	if isPlain(text) {
		return true
	}
	return isUnusualKeyText(text)
}

// isPlain reports whether text is all of visible ASCII.
func isPlain(text string) bool {
	b, unusual := asBytes(text), uint64(0)
	if len(b) < 8 {
		for _, c := range b {
			unusual |= unlikeASCII(uint64(c)*eachByte, '!')
		}
		return unusual == 0
	}
	last := b[len(b)-8:]
	for ; len(b) > 8; b = b[8:] {
		unusual |= unlikeASCII(binary.LittleEndian.Uint64(b), '!')
	}
	return unusual|unlikeASCII(binary.LittleEndian.Uint64(last), '!') == 0
}

// unlikeASCII returns bits where one of eight bytes is below the first or above '~':
// adding one carries into the high bit of a byte that is 0x7f, subtracting borrows
// from it for one below the first.
func unlikeASCII(bytes, first uint64) uint64 {
	return (bytes | (bytes + eachByte) | (bytes - eachByte*first)) & eachHighBit
}

// asBytes returns text's bytes, which must not be changed. The alternative is a
// copy of every key.
func asBytes(text string) []byte {
	return unsafe.Slice(unsafe.StringData(text), len(text)) //nolint:gosec // nobody changes them
}

// isUnusualKeyText decides on texts that hold a space, a control character or
// bytes beyond ASCII.
func isUnusualKeyText(text string) bool {
	for i, r := range text {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return false
			}
		}
		if unicode.IsControl(r) {
			return false
		}
	}
	first, _ := utf8.DecodeRuneInString(text)
	last, _ := utf8.DecodeLastRuneInString(text)
	return !unicode.IsSpace(first) && !unicode.IsSpace(last)
}

// isWeak reports whether a text can be guessed by who cracks its digest.
func isWeak(text string) bool {
	return wellKnown[text] || estimateBits(text) < strongBits
}

// wellKnown texts look strong and stand in everybody's documentation.
var wellKnown = map[string]bool{
	"550e8400-e29b-41d4-a716-446655440000":                             true, // UUID examples
	"123e4567-e89b-12d3-a456-426614174000":                             true,
	"f81d4fae-7dec-11d0-a765-00a0c91e6bf6":                             true,
	"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY":                         true, // AWS's example
	"d41d8cd98f00b204e9800998ecf8427e":                                 true, // hashes of nothing
	"da39a3ee5e6b4b0d3255bfef95601890afd80709":                         true,
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855": true,
}

// estimateBits is a low estimate of a text's strength. A character is worth the
// logarithm of the number of characters in the classes that the text uses, with
// three deductions. One that repeats the one before it, or stands next to it in
// code ("aaaa", "1234", "dcba"), is worth nothing. So is one that ends three
// characters which stood in the text before ("secret-secret-secret"). And from its
// fourth on, a letter in a run of letters of one case is worth two bits, as in a
// word.
func estimateBits(text string) float64 {
	var (
		classes [5]bool
		seen    = map[[3]rune]bool{}
		last    [3]rune
		run     int
		full    int // characters worth their class
		wordy   int // letters in words
	)
	for _, r := range text {
		class := classOf(r)
		classes[class] = true
		if run++; class > classUpper || class != classOf(last[2]) {
			run = 1
		}
		step := r - last[2]
		last = [3]rune{last[1], last[2], r}
		switch {
		case -1 <= step && step <= 1, seen[last]:
		case class <= classUpper && run > 3:
			wordy++
		default:
			full++
		}
		seen[last] = true
	}
	perChar := math.Log2(poolSize(classes))
	return float64(full)*perChar + float64(wordy)*math.Min(2, perChar)
}

const (
	classLower = iota
	classUpper
	classDigit
	classPunctuation
	classOther
)

func classOf(r rune) int {
	switch {
	case 'a' <= r && r <= 'z':
		return classLower
	case 'A' <= r && r <= 'Z':
		return classUpper
	case '0' <= r && r <= '9':
		return classDigit
	case r < utf8.RuneSelf:
		return classPunctuation
	}
	return classOther
}

func poolSize(used [5]bool) float64 {
	sizes := [...]float64{classLower: 26, classUpper: 26, classDigit: 10, classPunctuation: 33, classOther: 100}
	sum := 0.0
	for class, size := range sizes {
		if used[class] {
			sum += size
		}
	}
	return sum
}
