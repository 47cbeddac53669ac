package chain

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"slices"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// The actions that a Verifier knows beside auth.ActionAuditHead.
const (
	// ActionPruned tells that retention removes all files up to the one that
	// Path names.
	ActionPruned = "audit.pruned"
	// ActionCheckpoint is a head that lists every chain, and what else a start
	// has to know.
	ActionCheckpoint = "audit.checkpoint"
	// ActionClock tells that the clock was set: Duration is by how much.
	ActionClock = "audit.clock"
	// ActionExportBegin and ActionExportEnd stand around what an export holds of
	// a writer.
	ActionExportBegin = "audit.export.begin"
	ActionExportEnd   = "audit.export.end"
)

func isHead(action string) bool {
	return action == auth.ActionAuditHead || action == ActionCheckpoint
}

// clockBack is from where on a time that goes back is told. Events wait for
// one another in no order for less.
const clockBack = time.Minute

// Verifier reads lines in the order in which they were written, and says which
// is the first that does not fit. It holds a little for each chain and nothing
// for a line.
type Verifier struct {
	keys   *Keys
	chains map[id]*reading
	report Verdict

	file  string
	inOrd bool // a chained line was seen in this section
	// torn are lines that cannot be read: no event is missing where the
	// numbers go on.
	torn      int
	firstTorn string
	// open are exports that did not end yet, by writer.
	open map[string]bool
	// late are writers whose first line is not their first of all.
	late   map[string]*Break
	pruned map[string]bool

	// gap is a break of which it is not known yet whether the missing line
	// stands elsewhere.
	gap *gap
}

type id struct{ writer, team string }

// gap is the number that was looked for.
type gap struct {
	id
	seq uint64
	at  Break
}

// reading is what was read of one chain.
type reading struct {
	mac      hash.Hash
	state    State
	first    uint64
	signed   uint64
	signedAt time.Time
	unsigned int // events since
	newest   time.Time
}

// NewVerifier makes a Verifier that has read nothing.
func NewVerifier(keys *Keys) *Verifier {
	return &Verifier{keys: keys, chains: map[id]*reading{}, open: map[string]bool{},
		late: map[string]*Break{}, pruned: map[string]bool{}, report: Verdict{PublicKey: keys.Public()}}
}

// Section begins another file, or a table, whose lines follow.
func (v *Verifier) Section(name string, fresh bool) {
	v.file = name
	if fresh {
		v.inOrd = false
	}
}

// Line reads the line of a number in the running section. It returns false once
// nothing that follows could say more.
func (v *Verifier) Line(n int, raw []byte) bool {
	if v.report.Break != nil {
		return false
	}
	raw = bytes.TrimRight(raw, "\r\n")
	if len(raw) == 0 {
		return true
	}
	var l Line
	if err := json.Unmarshal(raw, &l); err != nil || l.Action == "" {
		v.torn++
		if v.firstTorn == "" {
			v.firstTorn = fmt.Sprintf("%s line %d", v.file, n)
		}
		return true
	}
	if v.gap != nil {
		return v.search(n, &l)
	}
	switch {
	case l.Action == ActionExportBegin || l.Action == ActionExportEnd:
		v.export(n, raw, &l)
	case l.Writer == "":
		if v.inOrd {
			v.broken(n, &l, BreakInserted, "it is in no chain, and stands among events that are")
			break
		}
		v.report.Unchained++
	default:
		v.chained(n, raw, &l)
	}
	return v.report.Break == nil
}

// broken notes the break.
func (v *Verifier) broken(n int, l *Line, kind, detail string) {
	v.report.Break = &Break{Kind: kind, File: v.file, Line: n, Writer: l.Writer, TeamID: l.TeamID, Seq: l.Seq, Detail: detail}
}

// missing notes that a line with a number should stand before n, and goes on
// to look for it.
func (v *Verifier) missing(n int, of id, from, to uint64) {
	what := fmt.Sprintf("event %d is missing before it", from)
	if to > from {
		what = fmt.Sprintf("events %d to %d are missing before it", from, to)
	}
	v.gap = &gap{id: of, seq: from, at: Break{Kind: BreakMissing, File: v.file, Line: n, Writer: of.writer, TeamID: of.team, Seq: from, Detail: what}}
}

// search looks whether the missing line stands further down.
func (v *Verifier) search(n int, l *Line) bool {
	if l.Writer != v.gap.writer || l.TeamID != v.gap.team || l.Seq != v.gap.seq {
		return true
	}
	b := v.gap.at
	b.Kind, b.Detail = BreakReordered, fmt.Sprintf("event %d should stand before it, and stands in %s line %d", l.Seq, v.file, n)
	v.report.Break, v.gap = &b, nil
	return false
}

// body is what the MAC of a line is made of, and what its signature is made of.
func body(raw []byte, l *Line) (mac, sig []byte, ok bool) {
	end := `"}`
	if l.Sig != "" {
		end = beforeSig + l.Sig + end
		if !bytes.HasSuffix(raw, []byte(end)) {
			return nil, nil, false
		}
		sig = raw[:len(raw)-len(end)]
		raw, end = sig, `"`
	}
	if l.MAC == "" {
		return nil, sig, sig != nil
	}
	end = beforeMAC + l.MAC + end
	if !bytes.HasSuffix(raw, []byte(end)) {
		return nil, nil, false
	}
	return raw[:len(raw)-len(end)], sig, true
}

func (v *Verifier) of(who id) *reading {
	r := v.chains[who]
	if r == nil {
		r = &reading{mac: v.keys.of(who.writer, who.team)}
		v.chains[who] = r
	}
	return r
}

// chained reads a line of a chain.
func (v *Verifier) chained(n int, raw []byte, l *Line) {
	v.inOrd = true
	who := id{l.Writer, l.TeamID}
	_, known := v.chains[who]
	adopt := false
	var r *reading
	macBody, sigBody, ok := body(raw, l)
	claimed, whole := l.Claimed()
	if !ok || !whole {
		v.broken(n, l, BreakChanged, "it does not end as a line of the record does")
		return
	}
	if l.Sig != "" && (!isHead(l.Action) || !v.keys.signedBy(sigBody, l.Sig)) {
		v.broken(n, l, BreakHead, "its signature does not fit")
		return
	}
	switch {
	case known || l.Seq == 1:
		r = v.of(who)
		if l.Seq > r.state.Seq+1 {
			v.missing(n, who, r.state.Seq+1, l.Seq-1)
			return
		}
		if l.Seq <= r.state.Seq {
			v.broken(n, l, BreakReordered, fmt.Sprintf("event %d was read before it", r.state.Seq))
			return
		}
		r.mac.Reset()
		r.mac.Write(r.state.MAC[:])
		r.mac.Write(macBody)
		if !hmac.Equal(r.mac.Sum(nil), claimed.MAC[:]) {
			v.broken(n, l, BreakChanged, "it is not what was written, or does not follow the event before it")
			return
		}
	case l.Sig == "" || v.Knows(l.Writer): // no signed head says what it follows
		v.missing(n, who, 1, l.Seq-1)
		return
	default: // a head that says what stood before what is here
		r, adopt = v.of(who), true
		v.late[l.Writer] = &Break{Kind: BreakMissing, File: v.file, Line: n, Writer: l.Writer, TeamID: l.TeamID, Seq: l.Seq,
			Detail: "the record begins with it, and does not say that retention removed what was before"}
	}
	r.state = claimed
	r.first = cmp.Or(r.first, l.Seq)
	v.report.Events++
	r.unsigned++
	v.times(r, l)
	switch l.Action {
	case auth.ActionAuditHead, ActionCheckpoint:
		if v.heads(n, l, adopt) {
			v.report.Heads++
			v.sign(l.Writer, l.Time)
		}
	case ActionPruned:
		v.pruned[l.Writer] = true
		v.note("%s: retention removed the files up to %s", l.Time.Format(time.RFC3339), l.Path)
	case auth.ActionAuditMissing, ActionClock:
		v.note("%s: %s", l.Time.Format(time.RFC3339), l.Reason)
	}
}

// Knows reports whether anything of a writer was read.
func (v *Verifier) Knows(writer string) bool {
	for who := range v.chains {
		if who.writer == writer {
			return true
		}
	}
	return false
}

// times notes a clock that was set back.
func (v *Verifier) times(r *reading, l *Line) {
	if back := r.newest.Sub(l.Time); back > clockBack {
		v.note("%s, event %d: the clock went back by %s", chainName(l.Writer, l.TeamID), l.Seq, back.Round(time.Second))
		r.newest = l.Time
	}
	if l.Time.After(r.newest) {
		r.newest = l.Time
	}
}

// maxNotes bounds what is said beside the verdict.
const maxNotes = 100

func (v *Verifier) note(format string, args ...any) {
	if len(v.report.Notes) < maxNotes {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf(format, args...))
	}
}

// heads compares what a head says with what was read. Where what is read of the
// writer begins with it, it says what is followed.
func (v *Verifier) heads(n int, l *Line, adopt bool) bool {
	for _, h := range l.Heads {
		said, ok := h.State()
		if !ok {
			v.broken(n, l, BreakHead, "it lists what is no head")
			return false
		}
		who := id{l.Writer, h.Team}
		r, known := v.chains[who]
		switch {
		case !known && adopt:
			r = v.of(who)
			r.state = said
		case !known && said.Seq > 0:
			v.missing(n, who, 1, said.Seq)
			return false
		case !known:
		case said.Seq > r.state.Seq:
			v.missing(n, who, r.state.Seq+1, said.Seq)
			return false
		case said != r.state:
			v.broken(n, l, BreakHead, fmt.Sprintf("it says that %s stood at event %d, and it does not", chainName(who.writer, who.team), said.Seq))
			return false
		}
	}
	return true
}

// sign notes that a head covers all that was read of a writer.
func (v *Verifier) sign(writer string, at time.Time) {
	for who, r := range v.chains {
		if who.writer == writer {
			r.signed, r.signedAt, r.unsigned = r.state.Seq, at, 0
		}
	}
}

// export reads a line that begins or ends an export.
func (v *Verifier) export(n int, raw []byte, l *Line) {
	_, sig, ok := body(raw, l)
	if !ok || l.Sig == "" || !v.keys.signedBy(sig, l.Sig) {
		v.broken(n, l, BreakHead, "its signature does not fit")
		return
	}
	if l.Action == ActionExportEnd && !v.open[l.Writer] {
		v.broken(n, l, BreakMissing, "it ends an export, the beginning of which is missing")
		return
	}
	if l.Action == ActionExportBegin && v.open[l.Writer] {
		v.broken(n, l, BreakReordered, "it begins an export in the midst of one")
		return
	}
	if l.Action == ActionExportBegin {
		v.inOrd, v.open[l.Writer] = false, true
	}
	if !v.heads(n, l, l.Action == ActionExportBegin) {
		return
	}
	v.report.Heads++
	v.sign(l.Writer, l.Time)
	if l.Action == ActionExportEnd {
		delete(v.open, l.Writer)
	}
}

// Reached says where the chains of a writer are known to stand: at least, and
// exactly where exact is true. It is called behind the last line.
func (v *Verifier) Reached(writer string, at map[string]State, exact bool) {
	if v.report.Break != nil || v.gap != nil {
		return
	}
	for _, team := range sorted(at) {
		want := at[team]
		var got State
		if r := v.chains[id{writer, team}]; r != nil {
			got = r.state
		}
		l := &Line{Event: auth.Event{Writer: writer, TeamID: team, Seq: want.Seq}}
		switch {
		case got.Seq < want.Seq:
			l.Seq = got.Seq + 1
			v.broken(0, l, BreakMissing, fmt.Sprintf("events %d to %d are missing at the end", got.Seq+1, want.Seq))
			return
		case exact && got != want:
			v.broken(0, l, BreakChanged, "the record does not end where its writer stands")
			return
		}
	}
}

// sorted are the keys of m.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Verdict is what was found. Whole says that what was read is a whole record, which
// begins with its first event or with what retention left.
func (v *Verifier) Verdict(whole bool) Verdict {
	out := v.report
	if v.gap != nil {
		b := v.gap.at
		out.Break = &b
	}
	if v.torn > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("%d lines cannot be read, the first is %s; a crash can tear a line, and where an event is missing for it a break says so", v.torn, v.firstTorn))
	}
	for _, writer := range sorted(v.late) {
		switch b := v.late[writer]; {
		case v.pruned[writer]:
		case whole && out.Break == nil:
			out.Break = b
		default:
			out.Notes = append(out.Notes, fmt.Sprintf("%s begins with event %d: what was before is not here", writer, b.Seq))
		}
	}
	for _, writer := range sorted(v.open) {
		out.Notes = append(out.Notes, writer+": the export is not whole, its end is missing")
		if out.Break == nil {
			out.Break = &Break{Kind: BreakMissing, File: v.file, Writer: writer, Detail: "the end of the export is missing"}
		}
	}
	out.Chains = []Part{}
	for who, r := range v.chains {
		out.Beyond += r.unsigned
		out.Chains = append(out.Chains, Part{Writer: who.writer, TeamID: who.team, First: r.first, Last: r.state.Seq, Signed: r.signed, SignedAt: r.signedAt})
	}
	slices.SortFunc(out.Chains, func(a, b Part) int { return cmp.Or(cmp.Compare(a.Writer, b.Writer), cmp.Compare(a.TeamID, b.TeamID)) })
	if out.Break == nil && out.Events == 0 && out.Unchained > 0 {
		out.Break = &Break{Kind: BreakInserted, File: v.file, Detail: "none of it is in a chain"}
	}
	out.OK = out.Break == nil
	return out
}
