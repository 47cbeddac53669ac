package comfyui

import (
	"container/list"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

// maxPlaces bounds what is remembered; the oldest goes first. An entry takes
// some 200 bytes.
const maxPlaces = 50_000

// places are where things are: prompts, clients, files. What they are called is
// chosen by workers and servers, so it is kept as a hash of one length.
type places struct {
	mu   sync.Mutex
	at   map[string]*list.Element // of *placed
	age  *list.List               // the oldest first
	file *placesFile              // nil in memory
}

type placed struct {
	what, server string
	until        time.Time
}

func ofPrompt(id string) string      { return what("prompt", id) }
func ofClient(id string) string      { return what("client", id) }
func ofKey(id string) string         { return what("key", id) }
func ofUpload(key string) string     { return what("upload", key) }
func ofFile(key, file string) string { return what("file", key+"\x00"+file) }
func what(kind, id string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + id))
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}

func newPlaces() *places { return &places{at: map[string]*list.Element{}, age: list.New()} }

// get is the server at which something is, or empty.
func (p *places) get(what string, now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.at[what]
	if e == nil {
		return ""
	}
	at := e.Value.(*placed)
	if !now.Before(at.until) {
		p.remove(e)
		return ""
	}
	return at.server
}

// put remembers where something is. It is in the file before put returns, so
// that whoever is told of it afterwards is led there after a restart.
func (p *places) put(what, server string, until, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.at[what]; e != nil && e.Value.(*placed).server == server && e.Value.(*placed).until.Sub(now) > until.Sub(now)/2 {
		return // it is known, for long enough
	}
	n := &placed{what, server, until}
	p.set(n)
	if p.file != nil {
		p.file.add(n, p)
	}
}

// set is called with p.mu held.
func (p *places) set(n *placed) {
	if e := p.at[n.what]; e != nil {
		p.remove(e)
	}
	p.at[n.what] = p.age.PushBack(n)
	for len(p.at) > maxPlaces {
		p.remove(p.age.Front())
	}
}

func (p *places) remove(e *list.Element) {
	p.age.Remove(e)
	delete(p.at, e.Value.(*placed).what)
}

func (p *places) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil {
		return nil
	}
	return p.file.close()
}
