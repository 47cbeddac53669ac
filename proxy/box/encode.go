package box

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	flagPlain = 1 << iota
	flagQuery
	knownFlags = flagPlain | flagQuery
)

// encode writes the contents in the layout of the package's documentation.
func encode(b Box) []byte {
	out := make([]byte, 0, 64+len(b.TeamID)+len(b.KeyID)+size(b.Target)+size(b.Origin))
	out = append(out, byte(b.Kind))
	out = binary.AppendUvarint(out, uint64(b.Expires.Unix())) // Seal has refused times before 1970
	out = appendString(out, b.TeamID)
	out = appendString(out, b.KeyID)
	out = appendTarget(out, b.Target)
	return appendTarget(out, b.Origin)
}

func appendString(out []byte, s string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))), s...)
}

func appendTarget(out []byte, t auth.Target) []byte {
	var flags byte
	if t.Scheme == "http" {
		flags |= flagPlain
	}
	if t.HasQuery {
		flags |= flagQuery
	}
	out = appendString(append(out, flags), t.Host)
	out = appendString(binary.BigEndian.AppendUint16(out, t.Port), t.Path)
	if t.HasQuery {
		out = appendString(out, t.RawQuery)
	}
	return out
}

func size(t auth.Target) int { return len(t.Host) + len(t.Path) + len(t.RawQuery) }

var errContents = errors.New("the contents of the box are malformed")

// decode reads what encode wrote, and nothing else.
func decode(in []byte) (Box, error) {
	r := reader{in: in}
	b := Box{
		Kind:    Kind(r.byte()),
		Expires: r.time(),
		TeamID:  r.string(),
		KeyID:   r.string(),
		Target:  r.target(),
		Origin:  r.target(),
	}
	if r.bad || len(r.in) > 0 {
		return Box{}, errContents
	}
	return b, nil
}

// reader takes values off the front of in. Once something is missing, bad is
// set and every value is zero.
type reader struct {
	in  []byte
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.in)) {
		r.bad, r.in = true, nil
		return nil
	}
	head := r.in[:n]
	r.in = r.in[n:]
	return head
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.in)
	if n <= 0 {
		r.bad, n = true, 0
	}
	r.take(uint64(n))
	if r.bad {
		return 0
	}
	return v
}

func (r *reader) time() time.Time {
	v := r.uvarint()
	if v > math.MaxInt64 {
		r.bad = true
		return time.Time{}
	}
	return time.Unix(int64(v), 0)
}

func (r *reader) string() string { return string(r.take(r.uvarint())) }

func (r *reader) target() auth.Target {
	flags := r.byte()
	if flags&^knownFlags != 0 {
		r.bad = true
	}
	t := auth.Target{Scheme: "https", Host: r.string()}
	if flags&flagPlain != 0 {
		t.Scheme = "http"
	}
	if port := r.take(2); port != nil {
		t.Port = binary.BigEndian.Uint16(port)
	}
	t.Path = r.string()
	if flags&flagQuery != 0 {
		t.HasQuery, t.RawQuery = true, r.string()
	}
	return t
}
