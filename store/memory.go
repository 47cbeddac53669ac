package store

import (
	"context"
	"os"
	"slices"
	"sort"
	"sync"
)

// OpenMemory makes a store that lives and dies with the process. It seals as
// every other does.
func OpenMemory(o Options) (Store, error) {
	if o.KEK == nil {
		return nil, errNoKEK()
	}
	ctx := context.Background()
	rows, err := firstRows(ctx, o.KEK, schemaOwn)
	if err != nil {
		return nil, err
	}
	return open(ctx, &memoryDriver{first: rows}, o)
}

func errNoKEK() error { return invalid(whatStore, "", "a KEK is required") }

// memoryDriver keeps the events; all other rows are in core's model already
// and are read from there.
type memoryDriver struct {
	first []op

	mu     sync.RWMutex
	events []op // in order of their keys
}

var _ driver = (*memoryDriver)(nil)

func (d *memoryDriver) load(yield func(bucket, key string, value []byte) error) error {
	for _, r := range d.first {
		if err := yield(r.bucket, r.key, r.value); err != nil {
			return err
		}
	}
	return nil
}

// begin implements driver.
func (d *memoryDriver) begin(context.Context) (turn, error) { return ownTurn{d.commit}, nil }

// exclusive implements driver.
func (d *memoryDriver) exclusive() bool { return true }

func (d *memoryDriver) commit(ops []op) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range ops {
		if o.bucket == bucketEvents {
			d.events = append(d.events, o) // event keys only grow
		}
	}
	return nil
}

func (d *memoryDriver) scan(_ context.Context, bucket, from string, limit int) ([]op, error) {
	if bucket != bucketEvents {
		return nil, invalid("bucket", bucket, "it is not kept in order")
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	i := sort.Search(len(d.events), func(i int) bool { return d.events[i].key >= from })
	return slices.Clone(d.events[i:min(i+limit, len(d.events))]), nil
}

// snapshot implements driver.
func (d *memoryDriver) snapshot() (*os.File, error) {
	return nil, invalid(whatStore, "", "it is in memory alone, and there is nothing to copy")
}

func (d *memoryDriver) close() error { return nil }
