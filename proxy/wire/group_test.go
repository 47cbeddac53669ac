package wire

import (
	"net"
	"sync"
)

// group runs goroutines and waits for them; connections given to it are
// closed first.
type group struct {
	wg    sync.WaitGroup
	mu    sync.Mutex
	conns []net.Conn
}

func (g *group) Go(f func()) { g.wg.Go(f) }

func (g *group) add(c net.Conn) {
	g.mu.Lock()
	g.conns = append(g.conns, c)
	g.mu.Unlock()
}

func (g *group) end() {
	g.mu.Lock()
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.mu.Unlock()
	g.wg.Wait()
}
