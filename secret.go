package apikey

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// A Secret holds the text of a key, to be shown once to whoever will use it.
//
// It cannot be printed by accident: every verb of fmt, slog, and the JSON, XML
// and text encoders write "[redacted]", gob refuses it, and printers that walk
// memory by reflection find a function instead of the text. [Secret.Reveal] is
// the only way out. The zero value holds the empty text.
type Secret struct {
	// A closure, because a failing test's printer follows pointers and ignores
	// methods, but cannot look into a function.
	reveal func() string
}

// NewSecret returns a Secret that holds text.
func NewSecret(text string) Secret {
	return Secret{reveal: func() string { return text }}
}

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether the secret holds no text.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Format writes "[redacted]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// LogValue returns "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]".
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// A Digest is what a store keeps of a key's text: its SHA-256, or an
// HMAC-SHA-256 under the host's [Pepper]. It is no credential: presented as a
// key, it is as unknown as any other text. Since the digest of a weak text can be
// cracked from a log, it redacts itself wherever a printer can call its methods;
// in an unexported field none can. Stores read its bytes with a slice expression,
// d[:].
type Digest [sha256.Size]byte

// DigestOf returns the SHA-256 of text, which is the digest that an [Authority]
// without a pepper looks up. Use it to fill the digest column of a table of
// plain keys.
func DigestOf(text string) Digest { return sha256.Sum256([]byte(text)) }

// Format writes "[redacted]" for every verb.
func (d Digest) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns "[redacted]".
func (d Digest) String() string { return redacted }

// LogValue returns "[redacted]".
func (d Digest) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]".
func (d Digest) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func (d *Digest) equal(other Digest) bool {
	return subtle.ConstantTimeCompare(d[:], other[:]) == 1
}
