package auth

import (
	"crypto/subtle"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what every secret prints, logs and marshals as.
const Redacted = "[redacted]"

// ErrRedacted is returned when somebody writes the redaction text back as a
// value: "read, edit, write back" must not destroy a secret.
var ErrRedacted = errors.New("the value is the redaction text " + Redacted + ", not a secret")

// Secret holds a secret value that prints, logs and marshals as [Redacted].
//
// It holds a pointer because fmt ignores the methods of a value that sits in
// an unexported struct field and prints the string inside; behind a pointer
// it prints an address. The zero Secret holds nothing.
type Secret struct{ p *string }

// NewSecret wraps s. An empty s gives the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{p: &s}
}

// Reveal is the only way to the value. It returns "" for the zero Secret.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// IsZero reports whether s holds nothing.
func (s Secret) IsZero() bool { return s.p == nil }

// Equal compares in constant time with respect to the contents; the lengths
// may be learned from its timing.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// Preview shows the first eight and last four characters of s where that
// leaves at least eight hidden, otherwise as much of the head as leaves eight
// hidden, and only Redacted for anything of eight characters or fewer.
func (s Secret) Preview() string {
	v := []rune(s.Reveal())
	const hidden = 8
	switch n := len(v); {
	case n == 0:
		return ""
	case n >= 8+4+hidden:
		return string(v[:8]) + "..." + string(v[n-4:])
	case n > hidden:
		return string(v[:min(n-hidden, 8)]) + "..."
	default:
		return Redacted
	}
}

// String, GoString, Format, MarshalJSON, MarshalText and LogValue all say
// Redacted, whatever the verb or encoder.
func (s Secret) String() string { return Redacted }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return Redacted }

// Format implements fmt.Formatter, so that no verb reaches the pointer.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// MarshalText implements encoding.TextMarshaler, which YAML and others use.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// UnmarshalJSON takes a JSON string and refuses the redaction text.
func (s *Secret) UnmarshalJSON(b []byte) error {
	var v string
	if err := json.Unmarshal(b, &v); err != nil {
		return errors.New("a secret is a JSON string") // the cause would quote the value
	}
	if v == Redacted {
		return ErrRedacted
	}
	*s = NewSecret(v)
	return nil
}

// UnmarshalText takes a text, such as a YAML scalar, and refuses the redaction
// text.
func (s *Secret) UnmarshalText(b []byte) error {
	if string(b) == Redacted {
		return ErrRedacted
	}
	*s = NewSecret(string(b))
	return nil
}

var (
	_ fmt.Formatter            = Secret{}
	_ fmt.GoStringer           = Secret{}
	_ json.Marshaler           = Secret{}
	_ encoding.TextMarshaler   = Secret{}
	_ slog.LogValuer           = Secret{}
	_ json.Unmarshaler         = (*Secret)(nil)
	_ encoding.TextUnmarshaler = (*Secret)(nil)
)
