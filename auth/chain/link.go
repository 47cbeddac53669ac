package chain

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"strconv"

	"github.com/weighbridge/weighbridge/auth"
)

// Overhead is how many bytes a chain adds to a line at most.
const Overhead = 128

// macSize is HMAC-SHA-256, whole: a head is to bind what is before it also
// against who holds the chain's key.
const macSize = sha256.Size

// State is where a chain stands: the number and the MAC of its last line. The
// zero value is a chain without lines.
type State struct {
	Seq uint64
	MAC [macSize]byte
}

// Head is a State as it stands in a line.
type Head struct {
	Team string `json:"team"`
	Seq  uint64 `json:"seq"`
	MAC  string `json:"mac"`
}

// HeadOf is the head of a team's chain.
func HeadOf(team string, s State) Head { return Head{team, s.Seq, text.EncodeToString(s.MAC[:])} }

// State is the reverse of HeadOf; false where the MAC is none.
func (h Head) State() (s State, ok bool) {
	b, err := text.DecodeString(h.MAC)
	if err != nil || len(b) != macSize {
		return s, false
	}
	s.Seq = h.Seq
	copy(s.MAC[:], b)
	return s, true
}

// NewWriter makes the name of a new writer of a kind, such as "use-5f0a1b2c".
func NewWriter(kind string) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return kind + "-" + hex.EncodeToString(b[:])
}

// Link makes the lines of one chain. It is not safe for concurrent use.
type Link struct {
	keys *Keys
	mac  hash.Hash
	lead []byte
	at   State
}

// Link goes on with the chain of a team in a writer from where it stands.
func (k *Keys) Link(writer, team string, at State) *Link {
	return &Link{keys: k, mac: k.of(writer, team), lead: []byte(`,"writer":"` + writer + `","seq":`), at: at}
}

// State is where the chain stands.
func (l *Link) State() State { return l.at }

// Reset takes the chain back to where it stood: what was appended since did
// not become durable.
func (l *Link) Reset(at State) { l.at = at }

// Append appends to dst the next line of the chain, without a newline. body is
// the event as a JSON object without its last "}".
func (l *Link) Append(dst, body []byte) []byte {
	start := len(dst)
	dst = append(dst, body...)
	dst = l.appendSeq(dst)
	dst = l.seal(dst, start)
	return append(dst, '}')
}

// AppendHead appends a line that says where the chains of the writer stand,
// signed.
func (l *Link) AppendHead(dst, body []byte, heads []Head) []byte {
	start := len(dst)
	dst = append(dst, body...)
	dst = l.appendSeq(dst)
	dst = appendHeads(dst, heads)
	dst = l.seal(dst, start)
	sig := l.keys.appendSignature(nil, dst[start:])
	return appendSig(dst, sig)
}

func (l *Link) appendSeq(dst []byte) []byte {
	return strconv.AppendUint(append(dst, l.lead...), l.at.Seq+1, 10)
}

func (l *Link) seal(dst []byte, start int) []byte {
	l.mac.Reset()
	l.mac.Write(l.at.MAC[:])
	l.mac.Write(dst[start:])
	l.mac.Sum(l.at.MAC[:0])
	l.at.Seq++
	dst = append(dst, beforeMAC...)
	dst = text.AppendEncode(dst, l.at.MAC[:])
	return append(dst, '"')
}

// AppendCut appends a line that begins or ends an export: where the chains of a
// writer stand there, signed, and in no chain itself.
func (k *Keys) AppendCut(dst, body []byte, writer string, heads []Head) []byte {
	start := len(dst)
	dst = append(dst, body...)
	dst = append(append(append(dst, `,"writer":"`...), writer...), '"')
	dst = appendHeads(dst, heads)
	return appendSig(dst, k.appendSignature(nil, dst[start:]))
}

const (
	beforeMAC = `,"mac":"`
	beforeSig = `,"sig":"`
)

func appendSig(dst, sig []byte) []byte {
	return append(append(append(dst, beforeSig...), sig...), `"}`...)
}

// appendHeads appends the member "heads".
func appendHeads(dst []byte, heads []Head) []byte {
	dst = append(dst, `,"heads":[`...)
	for i, h := range heads {
		if i > 0 {
			dst = append(dst, ',')
		}
		team, _ := json.Marshal(h.Team) // a string never fails
		dst = append(append(append(dst, `{"team":`...), team...), `,"seq":`...)
		dst = strconv.AppendUint(dst, h.Seq, 10)
		dst = append(append(append(dst, beforeMAC...), h.MAC...), `"}`...)
	}
	return append(dst, ']')
}

// Line is what a line says of itself to a reader. None of it is proven before a
// Verifier has read the line.
type Line struct {
	auth.Event
	Heads []Head `json:"heads,omitempty"`
	Sig   string `json:"sig,omitempty"`
}

// Claimed is the state that the line says its chain is in behind it; false
// where it is in no chain.
func (l *Line) Claimed() (State, bool) {
	if l.Writer == "" || l.Seq == 0 {
		return State{}, false
	}
	return Head{Seq: l.Seq, MAC: l.MAC}.State()
}
