package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

const (
	// writerKind begins the name of what writes the record of acts.
	writerKind = "acts"
	// chainPrefix comes before a team's id in the key of its chain: the events
	// of no team have one too, and a key must not be empty.
	chainPrefix = "team/"
	// tableName is what a break says it was found in.
	tableName = "events of the store"
)

// chainRow is where the chain of a team stands. The ledger covers it, so the
// record cannot be cut short without notice.
type chainRow struct {
	Seq uint64 `json:"seq"`
	MAC []byte `json:"mac"`
	// Signed is up to where a signed head covers it.
	Signed uint64 `json:"signed,omitempty"`
}

func (r chainRow) state() (s chain.State) {
	s.Seq = r.Seq
	copy(s.MAC[:], r.MAC)
	return s
}

// eventLine is an event in its chain.
type eventLine struct {
	at   time.Time
	text []byte
}

// lines puts the events of the transaction into their chains, and the head
// behind them where there is to be one. It completes the batch's chains.
func (t *tx) lines() ([]eventLine, error) {
	if len(t.events) == 0 && !t.sign {
		return nil, nil
	}
	b := t.b
	if b.head.Writer == "" {
		b.head.Writer = chain.NewWriter(writerKind)
	}
	links := map[string]*chain.Link{}
	link := func(team string) *chain.Link {
		if links[team] == nil {
			links[team] = t.c.audit.Link(b.head.Writer, team, t.m.chains[chainPrefix+team].state())
		}
		return links[team]
	}
	var out []eventLine
	for i := range t.events {
		body, err := eventBody(&t.events[i])
		if err != nil {
			return nil, err
		}
		out = append(out, eventLine{t.events[i].Time, link(t.events[i].TeamID).Append(nil, body)})
	}
	rows := func() {
		for team, l := range links {
			s := l.State()
			b.chains[chainPrefix+team] = chainRow{Seq: s.Seq, MAC: s.MAC[:], Signed: t.m.chains[chainPrefix+team].Signed}
		}
	}
	rows()
	if !t.sign {
		return out, nil
	}
	ev := auth.Event{ID: auth.NewID(t.at), Time: t.c.now().UTC(), Action: auth.ActionAuditHead, Actor: "system"}
	body, err := eventBody(&ev)
	if err != nil {
		return nil, err
	}
	var heads []chain.Head
	all := maps.Clone(t.m.chains)
	maps.Copy(all, b.chains)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		r := all[key]
		if key == chainPrefix || r.Seq == r.Signed {
			continue
		}
		heads = append(heads, chain.HeadOf(key[len(chainPrefix):], r.state()))
		r.Signed = r.Seq
		b.chains[key] = r
	}
	out = append(out, eventLine{ev.Time, link("").AppendHead(nil, body, heads)})
	s := links[""].State()
	b.chains[chainPrefix] = chainRow{Seq: s.Seq, MAC: s.MAC[:], Signed: s.Seq}
	return out, nil
}

// eventBody is ev as JSON without its end.
func eventBody(ev *auth.Event) ([]byte, error) {
	b, err := json.Marshal(ev)
	if err != nil {
		return nil, err
	}
	return b[:len(b)-1], nil
}

// AuditKeys implements Store.
func (c *core) AuditKeys() *chain.Keys { return c.audit }

// SignHead implements Store.
func (c *core) SignHead(ctx context.Context) error {
	return c.change(ctx, func(t *tx) error {
		for _, r := range t.m.chains {
			t.sign = t.sign || r.Seq != r.Signed
		}
		return nil
	})
}

// Lines implements Store.
func (c *core) Lines(ctx context.Context, since time.Time, yield func(n int, line []byte) bool) error {
	n := 0
	return c.eachLine(ctx, eventMicros(since), 1<<64-1, func(_ uint64, line []byte) bool { n++; return yield(n, line) })
}

// LinesAfter implements Store.
func (c *core) LinesAfter(ctx context.Context, after uint64, yield func(at uint64, line []byte) bool) error {
	return c.eachLine(ctx, after+1, 1<<64-1, yield)
}

// eachLine yields the lines between two keys.
func (c *core) eachLine(ctx context.Context, first, last uint64, yield func(at uint64, line []byte) bool) error {
	return c.eachEvent(ctx, eventKey(first), func(r op) (more bool, err error) {
		return r.key <= eventKey(last) && len(r.key) >= 8 && yield(binary.BigEndian.Uint64([]byte(r.key)), r.value[:max(0, len(r.value)-tagSize)]), nil
	})
}

// Verify implements Store.
func (c *core) Verify(ctx context.Context, v *chain.Verifier) error {
	at := map[string]chain.State{}
	var h head
	err := c.view(ctx, func(m *model) error {
		h = m.head
		for key, r := range m.chains {
			at[key[len(chainPrefix):]] = r.state()
		}
		return nil
	})
	if err != nil {
		return err
	}
	v.Section(tableName, true)
	n := 0
	err = c.eachLine(ctx, 0, h.LastEvent, func(_ uint64, line []byte) bool { n++; return v.Line(n, line) })
	if err != nil {
		return err
	}
	v.Reached(h.Writer, at, true)
	return nil
}
