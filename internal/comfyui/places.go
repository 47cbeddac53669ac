package comfyui

import (
	"container/list"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

// maxPlaces bounds what is remembered. Where there is more, the oldest goes of
// the key that has the most: any worker may name as many clients as it likes,
// and crowds out its own places alone. An entry takes some 250 bytes.
const maxPlaces = 50_000

// places are where things are: prompts, clients, files. What they are called is
// chosen by workers and servers, so it is kept as a hash of one length.
type places struct {
	mu   sync.Mutex
	at   map[string]*list.Element // of *placed
	of   map[string]*list.List    // by key; the oldest first
	file *placesFile              // nil in memory
}

type placed struct {
	// key is the id of the API key by which it is known.
	key, what, server string
	until             time.Time
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

func newPlaces() *places { return &places{at: map[string]*list.Element{}, of: map[string]*list.List{}} }

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

// put remembers where something is, on the account of a key. It is in the file before put returns, so
// that whoever is told of it afterwards is led there after a restart.
func (p *places) put(key, what, server string, until, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.at[what]; e != nil && e.Value.(*placed).server == server && e.Value.(*placed).until.Sub(now) > until.Sub(now)/2 {
		return // it is known, for long enough
	}
	n := &placed{key, what, server, until}
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
	l := p.of[n.key]
	if l == nil {
		l = list.New()
		p.of[n.key] = l
	}
	p.at[n.what] = l.PushBack(n)
	for len(p.at) > maxPlaces {
		p.remove(p.longest().Front())
	}
}

// longest is the list of the key that has the most. There are few keys beside
// places, and they are looked through only where there are too many of these.
func (p *places) longest() (most *list.List) {
	for _, l := range p.of {
		if most == nil || l.Len() > most.Len() {
			most = l
		}
	}
	return most
}

func (p *places) remove(e *list.Element) {
	n := e.Value.(*placed)
	l := p.of[n.key]
	if l.Remove(e); l.Len() == 0 {
		delete(p.of, n.key)
	}
	delete(p.at, n.what)
}

func (p *places) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil {
		return nil
	}
	return p.file.close()
}
