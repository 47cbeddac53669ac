package comfyui

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// maxLine bounds a line of the file.
const maxLine = 4 << 10

// placesFile keeps places as lines of JSON, to which each change adds one. It
// is written anew where most of it is out of date. It is not synced: after a
// loss of power the last prompts may have to be looked for by hand, which no
// request has to wait for.
type placesFile struct {
	path  string
	f     *os.File
	lines int
	// failed is the last write that did not succeed, for close: what is known
	// in memory counts all the same.
	failed error
}

// line is one of the file.
type line struct {
	Key    string    `json:"key"`
	What   string    `json:"what"`
	Server string    `json:"server"`
	Until  time.Time `json:"until"`
}

// openPlaces reads what is kept at path, without what is over by now. Lines
// that cannot be read are left out, such as the last one of a process that was
// killed. An empty path keeps nothing.
func openPlaces(path string, now time.Time) (*places, error) {
	p := newPlaces()
	if path == "" {
		return p, nil
	}
	f, err := os.Open(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("where prompts are cannot be read: %w", err)
	}
	if err == nil {
		s := bufio.NewScanner(f)
		s.Buffer(nil, maxLine)
		for s.Scan() {
			var l line
			if json.Unmarshal(s.Bytes(), &l) == nil && l.What != "" && now.Before(l.Until) {
				p.set(&placed{l.Key, l.What, l.Server, l.Until})
			}
		}
		_ = f.Close()
	}
	p.file = &placesFile{path: path}
	if err := p.file.rewrite(p); err != nil {
		return nil, fmt.Errorf("where prompts are cannot be kept: %w", err)
	}
	return p, nil
}

// add writes one change down.
func (k *placesFile) add(n *placed, all *places) {
	if k.lines >= 2*maxPlaces {
		k.failed = k.rewrite(all)
		return
	}
	k.lines++
	if k.f == nil {
		return
	}
	if _, err := k.f.Write(encodeLine(n)); err != nil {
		k.failed = err
	}
}

func encodeLine(n *placed) []byte {
	b, err := json.Marshal(line{n.key, n.what, n.server, n.until.UTC()})
	if err != nil {
		panic(err) // strings and times always marshal
	}
	return append(b, '\n')
}

// rewrite replaces the file by what is known. After an error the old one is
// there still, and is not added to.
func (k *placesFile) rewrite(all *places) error {
	if k.f != nil {
		_ = k.f.Close()
		k.f = nil
	}
	k.lines = 0
	next := k.path + ".new"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for _, l := range all.of {
		for e := l.Front(); e != nil; e = e.Next() {
			_, _ = w.Write(encodeLine(e.Value.(*placed)))
			k.lines++
		}
	}
	err = w.Flush()
	if err == nil {
		err = os.Rename(next, k.path)
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(next))
	}
	k.f = f
	return nil
}

func (k *placesFile) close() error {
	err := k.failed
	if k.f != nil {
		err = errors.Join(err, k.f.Close())
		k.f = nil
	}
	return err
}
