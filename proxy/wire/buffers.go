package wire

import (
	"sync"
	"sync/atomic"
)

// DefaultBudget is how much memory the full-size buffers of all streams
// together may take, in bytes.
const DefaultBudget = 64 << 20

// Sizes of buffers, in bytes. Batched reading and writing together save 25 to
// 30 % of the CPU of a TLS-TLS body, nearly all of it at 64 KiB; beyond
// 256 KiB nothing is gained. A write batch has to hold the TLS records of one
// copy buffer: 16 KiB of text become 16 KiB + 22 bytes (RFC 8446 section 5.2).
const (
	fullCopy, fullRead, fullWrite    = 256 << 10, 256 << 10, 288 << 10
	smallCopy, smallRead, smallWrite = 64 << 10, 64 << 10, 72 << 10
	// plainCopy serves plain to plain where splice(2) is not to be had.
	plainCopy = 1 << 20
)

// Buffers lends the buffers of streaming bodies: pooled, and under a budget
// beyond which streams get smaller ones. All methods may be used by any
// number of goroutines. A nil *Buffers lends small ones without pooling.
type Buffers struct {
	budget int64
	full   atomic.Int64 // bytes of full-size buffers that are lent
	lent   atomic.Int64 // bytes of all buffers that are lent
	pools  map[int]*sync.Pool
	pipes  chan *pipe
}

// maxPipes bounds the unused pipes that are kept for splicing, two
// descriptors each.
const maxPipes = 16

// NewBuffers makes a pool with a budget in bytes; zero or less means
// DefaultBudget.
func NewBuffers(budget int64) *Buffers {
	if budget <= 0 {
		budget = DefaultBudget
	}
	b := &Buffers{budget: budget, pools: map[int]*sync.Pool{}, pipes: make(chan *pipe, maxPipes)}
	for _, size := range []int{fullCopy, fullWrite, smallCopy, smallWrite, plainCopy} {
		b.pools[size] = newPool(size)
	}
	return b
}

// newPool makes a pool of *[]byte of one size.
func newPool(size int) *sync.Pool {
	return &sync.Pool{New: func() any { s := make([]byte, size); return &s }}
}

// Lent is the number of bytes that are lent at the moment. It is zero when
// nothing streams.
func (b *Buffers) Lent() int64 { return b.lent.Load() }

// loan is the buffers of one stream. Any of them may be nil.
type loan struct {
	from             *Buffers
	copy, read, writ *[]byte
	full             int64 // what was taken from the budget
}

// lend gives the buffers of one stream: one to copy through, and batches for
// the sides that are TLS.
func (b *Buffers) lend(read, write bool) loan {
	sizes := [3]int{fullCopy, fullRead, fullWrite}
	switch {
	case read && write: // the batches alone make system calls large
		sizes[0] = smallCopy
	case !read && !write:
		sizes[0] = plainCopy
	}
	need := int64(sizes[0])
	if read {
		need += fullRead
	}
	if write {
		need += fullWrite
	}
	if b == nil || b.full.Add(need) > b.budget {
		if b != nil {
			b.full.Add(-need)
		}
		need, sizes = 0, [3]int{smallCopy, smallRead, smallWrite}
	}
	l := loan{from: b, full: need, copy: b.get(sizes[0])}
	if read {
		l.read = b.get(sizes[1])
	}
	if write {
		l.writ = b.get(sizes[2])
	}
	return l
}

// giveBack ends the loan. The zero loan may be given back.
func (l *loan) giveBack() {
	if l.copy == nil {
		return
	}
	for _, p := range []*[]byte{l.copy, l.read, l.writ} {
		l.from.put(p)
	}
	if l.from != nil {
		l.from.full.Add(-l.full)
	}
	*l = loan{}
}

// slice is a buffer that may not be there.
func slice(p *[]byte) []byte {
	if p == nil {
		return nil
	}
	return *p
}

func (b *Buffers) get(size int) *[]byte {
	if b == nil {
		s := make([]byte, size)
		return &s
	}
	b.lent.Add(int64(size))
	return b.pools[size].Get().(*[]byte)
}

func (b *Buffers) put(p *[]byte) {
	if p == nil || b == nil {
		return
	}
	b.lent.Add(-int64(len(*p)))
	b.pools[len(*p)].Put(p)
}

// Buffers of bodies in memory, of tinyBody and smallBody bytes.
var (
	tinyMemories = newPool(tinyBody)
	memories     = newPool(smallBody)
)

// tinyBody is what most texts of an API fit into, in bytes.
const tinyBody = 4 << 10

// getMemory gives a buffer that holds n bytes, at most smallBody.
func getMemory(n int64) *[]byte {
	if n <= tinyBody {
		return tinyMemories.Get().(*[]byte)
	}
	return memories.Get().(*[]byte)
}

func putMemory(p *[]byte) {
	if len(*p) == tinyBody {
		tinyMemories.Put(p)
	} else {
		memories.Put(p)
	}
}
