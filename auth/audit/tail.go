package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// recovered is what a start has to know of the record that is there.
type recovered struct {
	file   string // the newest
	writer string
	states map[string]chain.State
	// unfinished are the admissions that have no outcome, by request id.
	unfinished []auth.Event
}

// recoverTail reads the end of the record in dir, from its last checkpoint.
func recoverTail(d Disk, dir string) (recovered, error) {
	var r recovered
	names, err := files(d, dir)
	if err != nil || len(names) == 0 {
		return r, err
	}
	r.file = names[len(names)-1]
	var tail []byte
	for _, name := range slices.Backward(names) {
		part, found, err := fromCheckpoint(d, filepath.Join(dir, name))
		if err != nil {
			return r, err
		}
		tail = append(part, tail...)
		if found { // a file that a crash left empty has none
			break
		}
	}
	r.unfinished = unfinished(tail)
	r.resume(tail)
	return r, nil
}

// fromCheckpoint reads a file from its last checkpoint, the whole of it where
// it has none.
func fromCheckpoint(d Disk, path string) (tail []byte, found bool, err error) {
	r, err := d.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = r.Close() }()
	size, err := wholeOf(r)
	if err != nil {
		return nil, false, err
	}
	checkpoint := []byte(`,"action":"` + chain.ActionCheckpoint + `"`)
	for window := int64(1 << 20); ; window *= 4 {
		at := max(size-window, 0)
		tail = make([]byte, size-at)
		if _, err := r.ReadAt(tail, at); err != nil && err != io.EOF {
			return nil, false, err
		}
		if i := bytes.LastIndex(tail, checkpoint); i >= 0 {
			if j := bytes.LastIndexByte(tail[:i], '\n'); j >= 0 || at == 0 {
				return tail[j+1:], true, nil
			}
		}
		if at == 0 {
			return tail, false, nil
		}
	}
}

// resume finds where the chains stand. What the lines say is taken as it is: a
// chain that goes on from what was changed does not verify.
func (r *recovered) resume(lines []byte) {
	r.states = map[string]chain.State{}
	for line := range bytes.Lines(lines) {
		var l chain.Line
		if line[len(line)-1] != '\n' || json.Unmarshal(line, &l) != nil {
			continue // torn: it is cut off
		}
		at, ok := l.Claimed()
		if !ok {
			continue
		}
		if l.Writer != r.writer {
			r.writer = l.Writer
			clear(r.states)
		}
		for _, h := range l.Heads {
			if s, ok := h.State(); ok {
				r.states[h.Team] = s
			}
		}
		r.states[l.TeamID] = at
	}
}

// unfinished replays lines. What cannot be read is passed over: it is the
// reader's business to report it, and it admits nothing.
func unfinished(lines []byte) []auth.Event {
	open := map[string]auth.Event{}
	for line := range bytes.Lines(lines) {
		var e auth.Event
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		switch e.Action {
		case chain.ActionCheckpoint:
			open = listed(e.Reason)
		case auth.ActionUsed:
			if e.RequestID != "" {
				open[e.RequestID] = e
			}
		case auth.ActionFinished:
			delete(open, e.RequestID)
		}
	}
	left := make([]auth.Event, 0, len(open))
	for _, e := range open {
		left = append(left, e)
	}
	slices.SortFunc(left, func(a, b auth.Event) int { return strings.Compare(a.RequestID, b.RequestID) })
	return left
}

// listed reads the list of a checkpoint.
func listed(text string) map[string]auth.Event {
	open := map[string]auth.Event{}
	for line := range strings.Lines(text) {
		p := strings.Fields(line)
		if len(p) != 4 || p[0] == "-" {
			continue
		}
		for i := range p {
			if p[i] == "-" {
				p[i] = ""
			}
		}
		open[p[0]] = auth.Event{RequestID: p[0], TeamID: p[1], KeyID: p[2], CredentialID: p[3]}
	}
	return open
}

// aborted is the outcome of an admission whose own was lost with the process.
func aborted(used auth.Event, now time.Time) auth.Event {
	used.ID, used.Time, used.Action = "", now, auth.ActionFinished
	used.Actor, used.Reason = "system", "aborted: weighbridge ended before the outcome was recorded"
	return used
}
