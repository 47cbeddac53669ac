package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// wholeLines returns how many of the first size bytes of a file are whole
// lines: a crash can tear the last one.
func wholeLines(path string, size int64) (int64, error) {
	if size == 0 {
		return 0, nil
	}
	r, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Close() }()
	const block = 4096
	buf := make([]byte, block)
	for end := size; end > 0; {
		at := max(end-block, 0)
		part := buf[:end-at]
		if _, err := r.ReadAt(part, at); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return at + int64(i) + 1, nil
		}
		end = at
	}
	return 0, nil
}

// findUnfinished reads the end of the newest file in dir, from its last
// checkpoint, and returns the admissions that have no outcome, by request id.
func findUnfinished(dir string) ([]auth.Event, error) {
	names, err := files(dir)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	r, err := os.Open(filepath.Join(dir, names[len(names)-1]))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	st, err := r.Stat()
	if err != nil {
		return nil, err
	}
	mark := []byte(`,"action":"` + actionCheckpoint + `"`)
	var tail []byte
	for window := int64(1 << 20); ; window *= 4 {
		at := max(st.Size()-window, 0)
		tail = make([]byte, st.Size()-at)
		if _, err := r.ReadAt(tail, at); err != nil && err != io.EOF {
			return nil, err
		}
		if i := bytes.LastIndex(tail, mark); i >= 0 {
			if j := bytes.LastIndexByte(tail[:i], '\n'); j >= 0 {
				tail = tail[j+1:]
				break
			}
		}
		if at == 0 {
			break
		}
	}
	return unfinished(tail), nil
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
		case actionCheckpoint:
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
