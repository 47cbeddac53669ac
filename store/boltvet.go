package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"time"
)

// bbolt trusts the pages of its file: where they are damaged it panics, and
// where they form a ring it never returns. So every page that it may come to
// is examined before it is given the file. The form is bbolt's, version 2
// (go.etcd.io/bbolt/internal/common), in the byte order of the machine.
const (
	boltMagic       = 0xED0CDAED
	boltVersion     = 2
	boltHeader      = 16 // page: id uint64, flags uint16, count uint16, overflow uint32
	boltElement     = 16 // leaf: flags, pos, ksize, vsize uint32; branch: pos, ksize uint32, page uint64
	boltBucket      = 16 // root uint64, sequence uint64; then the page itself where root is 0
	boltMetaSize    = 64 // the last 8 bytes are a checksum of the others
	boltBranch      = 0x01
	boltLeaf        = 0x02
	boltFreelist    = 0x10
	boltBucketEntry = 0x01
	boltNoFreelist  = ^uint64(0)
	// Our buckets hold rows and no buckets.
	boltMaxDepth = 1
)

// examine takes the lock that readers share, so that nobody writes meanwhile,
// and examines the file.
func (d *boltDriver) examine(lockTimeout time.Duration) error {
	info, err := os.Stat(d.path)
	if err != nil {
		return boltError(d.path, err)
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return damagedFile(d.path, errors.New("it is empty or not a regular file"))
	}
	reader := &boltDriver{path: d.path}
	options := boltOptions(lockTimeout)
	options.ReadOnly = true // maps the file and looks at its meta pages alone
	if err := reader.openFile(options); err != nil {
		return err
	}
	f, err := os.Open(d.path)
	if err == nil {
		if info, err = f.Stat(); err == nil {
			err = vetBolt(f, info.Size())
		}
		_ = f.Close() // opened to read
	}
	closed := reader.close()
	if err != nil {
		return boltError(d.path, err)
	}
	return closed
}

// vetBolt examines a bbolt file of the given size.
func vetBolt(r io.ReaderAt, size int64) error {
	m, err := readBoltMeta(r, size)
	if err != nil {
		return err
	}
	v := &boltVet{r: r, size: uint64(size), meta: m}
	if m.pages < 3 || m.pages > v.size/m.pageSize {
		return damage("it has %d pages by its own account, and %d bytes", m.pages, size)
	}
	v.seen = make([]bool, m.pages)
	if err := v.tree(m.root, nil, nil, 0); err != nil {
		return err
	}
	return v.freelist()
}

func damage(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

type boltMeta struct{ pageSize, root, freelist, pages, txid uint64 }

// readBoltMeta finds the meta page that bbolt would go by: the valid one of
// the later transaction. One of the two may be torn by a power failure.
func readBoltMeta(r io.ReaderAt, size int64) (boltMeta, error) {
	first, ok := parseBoltMeta(r, 0)
	if ok {
		if second, ok := parseBoltMeta(r, int64(first.pageSize)); ok && second.txid > first.txid {
			return second, nil
		}
		return first, nil
	}
	// The size of a page is only known from a meta page; bbolt tries the same.
	for pos := int64(1 << 10); pos <= 1<<24 && pos < size; pos <<= 1 {
		if second, ok := parseBoltMeta(r, pos); ok && int64(second.pageSize) == pos {
			return second, nil
		}
	}
	return boltMeta{}, damage("neither of its meta pages is whole")
}

func parseBoltMeta(r io.ReaderAt, pos int64) (m boltMeta, ok bool) {
	var b [boltHeader + boltMetaSize]byte
	if _, err := r.ReadAt(b[:], pos); err != nil {
		return m, false
	}
	// magic, version, page size, flags uint32; root, sequence, freelist,
	// pages, transaction, checksum uint64
	p, e := b[boltHeader:], binary.NativeEndian
	sum := fnv.New64a()
	sum.Write(p[:boltMetaSize-8])
	m = boltMeta{
		pageSize: uint64(e.Uint32(p[8:])), root: e.Uint64(p[16:]), freelist: e.Uint64(p[32:]),
		pages: e.Uint64(p[40:]), txid: e.Uint64(p[48:]),
	}
	ok = e.Uint32(p) == boltMagic && e.Uint32(p[4:]) == boltVersion && e.Uint64(p[56:]) == sum.Sum64() &&
		m.pageSize >= 1<<10 && m.pageSize <= 1<<24 && m.pageSize&(m.pageSize-1) == 0
	return m, ok
}

// boltVet is one examination.
type boltVet struct {
	r    io.ReaderAt
	size uint64
	meta boltMeta
	seen []bool // by page: it is part of the tree or of the freelist
}

// page reads page id with its overflow and marks it seen.
func (v *boltVet) page(id uint64) ([]byte, error) {
	if id < 2 || id >= v.meta.pages {
		return nil, damage("page %d does not exist", id)
	}
	var header [boltHeader]byte
	if _, err := v.r.ReadAt(header[:], int64(id*v.meta.pageSize)); err != nil {
		return nil, damage("page %d cannot be read: %v", id, err)
	}
	e := binary.NativeEndian
	n := uint64(e.Uint32(header[12:])) + 1
	if e.Uint64(header[:]) != id || n > v.meta.pages-id || (id+n)*v.meta.pageSize > v.size {
		return nil, damage("page %d is not what it should be", id)
	}
	for i := id; i < id+n; i++ {
		if v.seen[i] {
			return nil, damage("page %d is used twice", i)
		}
		v.seen[i] = true
	}
	b := make([]byte, n*v.meta.pageSize)
	if _, err := v.r.ReadAt(b, int64(id*v.meta.pageSize)); err != nil {
		return nil, damage("page %d cannot be read: %v", id, err)
	}
	return b, nil
}

// tree examines page id and all below it. Where first is not nil the first key
// must be it: bbolt finds the element that leads to a page by that. Where high
// is not nil all keys must be less.
func (v *boltVet) tree(id uint64, first, high []byte, depth int) error {
	b, err := v.page(id)
	if err != nil {
		return err
	}
	return v.node(b, id, first, high, depth)
}

func (v *boltVet) node(b []byte, id uint64, first, high []byte, depth int) error {
	e := binary.NativeEndian
	flags, count := e.Uint16(b[8:]), uint64(e.Uint16(b[10:]))
	if flags != boltLeaf && flags != boltBranch || count == 0 && (flags == boltBranch || first != nil) {
		return damage("page %d is of no known kind", id)
	}
	end := boltHeader + count*boltElement
	if end > uint64(len(b)) {
		return damage("page %d has more elements than room", id)
	}
	var children []uint64
	var keys [][]byte
	for i := range count {
		at := boltHeader + i*boltElement
		el := b[at:]
		var pos, ksize, vsize uint64
		if flags == boltLeaf {
			pos, ksize, vsize = uint64(e.Uint32(el[4:])), uint64(e.Uint32(el[8:])), uint64(e.Uint32(el[12:]))
		} else {
			pos, ksize = uint64(e.Uint32(el)), uint64(e.Uint32(el[4:]))
			children = append(children, e.Uint64(el[8:]))
		}
		start := at + pos
		if start < end || ksize == 0 || start+ksize+vsize > uint64(len(b)) {
			return damage("element %d of page %d lies outside of it", i, id)
		}
		key := b[start : start+ksize]
		if i == 0 && first != nil && string(key) != string(first) || i > 0 && string(key) <= string(keys[i-1]) || high != nil && string(key) >= string(high) {
			return damage("the keys of page %d are out of order", id)
		}
		keys = append(keys, key)
		if flags != boltLeaf {
			continue
		}
		switch kind := e.Uint32(el); {
		case kind == 0 && depth > 0: // a row; the root holds buckets alone
		case kind == boltBucketEntry:
			if err := v.bucket(b[start+ksize:start+ksize+vsize], id, depth+1); err != nil {
				return err
			}
		default:
			return damage("element %d of page %d is of no known kind", i, id)
		}
	}
	for i, child := range children {
		below := high
		if i+1 < len(keys) {
			below = keys[i+1]
		}
		if err := v.tree(child, keys[i], below, depth); err != nil {
			return err
		}
	}
	return nil
}

// bucket examines the bucket that an element of page id holds.
func (v *boltVet) bucket(value []byte, id uint64, depth int) error {
	if depth > boltMaxDepth || len(value) < boltBucket {
		return damage("page %d holds a bucket where there is none", id)
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return v.tree(root, nil, nil, depth)
	}
	inline := value[boltBucket:]
	if len(inline) < boltHeader || binary.NativeEndian.Uint16(inline[8:]) != boltLeaf {
		return damage("page %d holds a malformed bucket", id)
	}
	return v.node(inline, id, nil, nil, depth)
}

// freelist examines the list of free pages: each exists, is listed once, in
// order, and is not in use.
func (v *boltVet) freelist() error {
	if v.meta.freelist == boltNoFreelist {
		return nil
	}
	b, err := v.page(v.meta.freelist)
	if err != nil {
		return err
	}
	e := binary.NativeEndian
	if e.Uint16(b[8:]) != boltFreelist {
		return damage("page %d is not the list of free pages", v.meta.freelist)
	}
	ids := b[boltHeader:]
	n := uint64(e.Uint16(b[10:]))
	if n == 0xFFFF { // then the first element is the number
		n, ids = e.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return damage("the list of free pages is longer than its page")
	}
	last := uint64(1)
	for i := range n {
		id := e.Uint64(ids[8*i:])
		if id <= last || id >= v.meta.pages || v.seen[id] {
			return damage("the list of free pages names page %d, which is not free", id)
		}
		last = id
	}
	return nil
}
