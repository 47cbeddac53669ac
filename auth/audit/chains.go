package audit

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/auth/chain"
)

// writerKind begins the names of writers of the record of use.
const writerKind = "use"

// chains are those of all teams in this record. They are the writer
// goroutine's own, but for durable states, which File.mu guards as well: they
// change under it.
type chains struct {
	keys   *chain.Keys
	writer string
	links  map[string]*link // by team
	// touched are the links that are ahead of what is durable.
	touched []*link
	// since counts the lines in touched chains that no head covers; pending
	// those of the batch that is on its way.
	since, pending int
	// headed are the links that the head of that batch lists, headSeen whether
	// there is one.
	headed   []*link
	headSeen bool
	buf      []byte
}

// link is the chain of one team.
type link struct {
	*chain.Link
	team    string
	durable chain.State
	dirty   bool
	// signed is up to where a head covers it; listed the same once the batch
	// on its way is durable.
	signed, listed uint64
}

func newChains(keys *chain.Keys, at recovered) *chains {
	c := &chains{keys: keys, writer: at.writer, links: map[string]*link{}}
	if c.writer == "" {
		c.writer = chain.NewWriter(writerKind)
	}
	for team, s := range at.states {
		c.links[team] = c.newLink(team, s)
	}
	return c
}

func (c *chains) newLink(team string, at chain.State) *link {
	return &link{Link: c.keys.Link(c.writer, team, at), team: team, durable: at}
}

// of is the chain of a team, which will be ahead of what is durable.
func (c *chains) of(team string) *link {
	l := c.links[team]
	if l == nil {
		l = c.newLink(team, chain.State{})
		c.links[team] = l
	}
	if !l.dirty {
		l.dirty = true
		c.touched = append(c.touched, l)
	}
	return l
}

// seal makes the lines of b. They follow what is durable, whatever became of
// what was sealed before. The result is valid until the next call.
func (c *chains) seal(b *batch) []byte {
	for _, l := range c.touched {
		l.Reset(l.durable)
		l.dirty = false
	}
	c.touched, c.pending, c.headed, c.headSeen = c.touched[:0], 0, c.headed[:0], false
	if cap(c.buf) > maxSpare {
		c.buf = nil
	}
	out := c.buf[:0]
	if b.head != nil && !b.headLast {
		out = c.head(out, b)
	}
	start := 0
	for i := range b.rows {
		r := &b.rows[i]
		out = c.of(r.team).Append(out, b.buf[start:r.end-len("}\n")])
		out = append(out, '\n')
		start = r.end
	}
	c.pending += len(b.rows)
	if b.head != nil && b.headLast {
		out = c.head(out, b)
	}
	c.buf = out
	return out
}

// head appends the batch's head. It lists all chains where b says so, and
// otherwise those that moved since the last.
func (c *chains) head(out []byte, b *batch) []byte {
	var heads []chain.Head
	for _, l := range c.links {
		at := l.State()
		if l.team == "" || at.Seq == 0 || !b.full && at.Seq == l.signed {
			continue
		}
		l.listed = at.Seq
		c.headed = append(c.headed, l)
		heads = append(heads, chain.HeadOf(l.team, at))
	}
	slices.SortFunc(heads, func(a, b chain.Head) int { return strings.Compare(a.Team, b.Team) })
	c.headSeen, c.pending = true, 0
	return append(c.of("").AppendHead(out, b.head, heads), '\n')
}

// confirm says that what was sealed last is durable.
func (c *chains) confirm() {
	for _, l := range c.touched {
		l.durable, l.dirty = l.State(), false
	}
	c.touched = c.touched[:0]
	if c.headSeen {
		for _, l := range c.headed {
			l.signed = l.listed
		}
		c.since = 0
	}
	c.since += c.pending
	c.headed, c.headSeen, c.pending = c.headed[:0], false, 0
}

// adopt goes on behind lines that are on file although nobody was promised
// them, because the file system does not truncate.
func (c *chains) adopt(lines []byte) {
	c.seal(&batch{})
	for line := range bytes.Lines(lines) {
		var l chain.Line
		if json.Unmarshal(line, &l) != nil || l.Writer != c.writer {
			continue
		}
		if s, ok := l.Claimed(); ok {
			to := c.of(l.TeamID)
			to.Reset(s)
		}
	}
	c.confirm()
}

// Head is the name of the writer and where the chain stands that its heads are
// in.
func (f *File) Head() (writer string, at chain.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l := f.chains.links[""]; l != nil {
		at = l.durable
	}
	return f.chains.writer, at
}

// states is where the durable part of each chain ends.
func (c *chains) states() map[string]chain.State {
	out := make(map[string]chain.State, len(c.links))
	for team, l := range c.links {
		if l.durable.Seq > 0 {
			out[team] = l.durable
		}
	}
	return out
}
