package chain

import (
	"fmt"
	"time"
)

// The kinds of breaks.
const (
	// BreakChanged: the line is not what was written.
	BreakChanged = "changed"
	// BreakMissing: lines that were written are not there.
	BreakMissing = "missing"
	// BreakReordered: the line stands in another place, or twice.
	BreakReordered = "reordered"
	// BreakInserted: the line was not written by a writer of the record.
	BreakInserted = "inserted"
	// BreakHead: the signature of a head does not fit.
	BreakHead = "head"
)

// Verdict is what a Verifier found.
type Verdict struct {
	OK bool `json:"ok" doc:"Whether everything that was read is what was written, and nothing is missing in it."`
	// PublicKey is what the signatures of heads were verified with.
	PublicKey string `json:"public_key" doc:"The key that signatures of heads were verified with (Ed25519, base64url)."`
	Events    int    `json:"events" doc:"Events that are in a chain and were verified."`
	Heads     int    `json:"heads" doc:"Signed heads that were verified."`
	Unchained int    `json:"unchained" doc:"Events from before the chain began, of which nothing is proven."`
	Beyond    int    `json:"beyond" doc:"Verified events behind the last signed head of their writer: their end could have been cut off unnoticed."`
	Chains    []Part `json:"chains" doc:"What was read of each chain."`
	Break     *Break `json:"break,omitempty" doc:"The first thing that does not fit; nothing behind it was verified."`
	// Notes are what a reader should know and what is no break.
	Notes []string `json:"notes,omitempty" doc:"What is no break and should be known: a clock that was set, what retention removed, torn lines."`
}

// Part is what was read of one chain.
type Part struct {
	Writer   string    `json:"writer"`
	TeamID   string    `json:"team_id" doc:"Empty for the events of no team."`
	First    uint64    `json:"first" doc:"The first number that was read."`
	Last     uint64    `json:"last" doc:"The last number that was read."`
	Signed   uint64    `json:"signed" doc:"The last number that a signed head covers."`
	SignedAt time.Time `json:"signed_at,omitzero" doc:"When that head was signed."`
}

// Break is the first thing that does not fit.
type Break struct {
	Kind   string `json:"kind" enum:"changed,missing,reordered,inserted,head"`
	File   string `json:"file" doc:"The file, or the table, that it was found in."`
	Line   int    `json:"line" doc:"The line in it, from 1."`
	Writer string `json:"writer,omitempty"`
	TeamID string `json:"team_id,omitempty"`
	Seq    uint64 `json:"seq,omitempty" doc:"The number of the event."`
	Detail string `json:"detail"`
}

// Error says the break in one line.
func (b *Break) Error() string {
	at := ""
	if b.Seq > 0 {
		at = fmt.Sprintf(", event %d of %s", b.Seq, chainName(b.Writer, b.TeamID))
	}
	return fmt.Sprintf("%s: %s line %d%s: %s", b.Kind, b.File, b.Line, at, b.Detail)
}

func chainName(writer, team string) string {
	if team == "" {
		return writer
	}
	return writer + " " + team
}
