package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// core is the Store over any driver: all rules, once.
type core struct {
	drv      driver
	openKEK  func(ctx context.Context, uri string) (KEK, error)
	now      func() time.Time
	check    func(auth.State) error
	onChange func(auth.State)
	onOthers func()

	// writing admits one change at a time, from reading what it rests on to
	// the return of onChange. Only its holder changes m, so its holder may
	// read m without mu.
	writing sync.Mutex
	codec   *rowCodec // of the holder of writing
	audit   *chain.Keys
	ledger  *ledger // of the holder of writing
	// tripped, once set, is why no more changes are taken.
	tripped error
	kekRow  kekRow // of the holder of writing
	schema  int    // what the rows are of; of the holder of writing
	at      mark   // the commit that m is of; of the holder of writing

	// rotating is held by the one rotation of the KEK that runs.
	rotating sync.Mutex

	mu sync.RWMutex
	m  *model
	// kek wraps new DEKs; keks, by id, open those that are there. Only the
	// holder of writing changes them, as m.
	kek    KEK
	kekURI string
	keks   map[string]KEK
	closed bool

	contact contact
}

var _ Store = (*core)(nil)

// open reads everything that drv keeps and checks it: the schema, the KEK, the
// tag of every row, and that none is missing.
func open(ctx context.Context, drv driver, o Options) (*core, error) {
	c := &core{drv: drv, kek: o.KEK, kekURI: o.KEKURI, keks: map[string]KEK{o.KEK.ID(): o.KEK}, openKEK: o.OpenKEK,
		now: o.Now, check: o.Check, onChange: o.OnChange, onOthers: o.OnOthers, m: newModel()}
	if c.now == nil {
		c.now = time.Now
	}
	if err := c.load(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// firstRows are the rows of a store in which there is nothing.
func firstRows(ctx context.Context, kek KEK, schema int) ([]op, error) {
	codec, kekRow, err := newRowKey(ctx, kek)
	if err != nil {
		return nil, err
	}
	headRow, err := codec.encode(bucketMeta, metaHead, head{Rows: newModel().counts(), Digest: (&ledger{}).digest(codec)})
	if err != nil {
		return nil, err
	}
	return []op{
		schemaRow(schema),
		{bucketMeta, metaKEK, kekRow},
		{bucketMeta, metaHead, headRow},
	}, nil
}

// schemaRow says of which form the rows are.
func schemaRow(n int) op { return op{bucketMeta, metaSchema, fmt.Append(nil, n)} }

// nextSchema is of which form the rows are after the next change.
func (c *core) nextSchema() int {
	if c.drv.exclusive() {
		return max(c.schema, schemaOwn)
	}
	return schemaVersion
}

// headIn is the row of the head among ops.
func headIn(ops []op) []byte {
	i := slices.IndexFunc(ops, func(o op) bool { return o.bucket == bucketMeta && o.key == metaHead })
	if i < 0 {
		return nil
	}
	return ops[i].value
}

// stamp is the time that rows and ids of the next change get. It never stands
// still or goes back, whatever the clock does, not even over a restart: "the
// newest" is always what was made last. Microseconds are what every database
// can hold.
func (c *core) stamp() time.Time {
	t := c.now().UTC().Truncate(time.Microsecond)
	if least := c.m.head.Stamp.Add(time.Microsecond); t.Before(least) {
		return least
	}
	return t
}

// view runs fn while nothing changes the model.
func (c *core) view(ctx context.Context, fn func(m *model) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return errClosed()
	}
	return fn(c.m)
}

// change runs fn and commits what it put into the transaction. Where fn or the
// commit fails nothing has changed, neither in memory nor in the driver. fn is
// run more than once where a KEK has to be asked, and must not build on what an
// earlier run has left; no lock is held while one is asked.
func (c *core) change(ctx context.Context, fn func(t *tx) error) error {
	asked := newAnswers()
	defer asked.wipe()
	for range maxAsking {
		if err := c.try(ctx, asked, fn); !errors.Is(err, errAsk) {
			return err
		}
		asked.askAll(ctx)
	}
	return &Error{Kind: KindConflict, What: "change", Detail: "what it is about was changed again and again meanwhile", Next: "try again"}
}

// try is change with the answers of KEKs that there are. The error is errAsk
// where there are to be more.
func (c *core) try(ctx context.Context, asked *answers, fn func(t *tx) error) error {
	if c.isClosed() {
		return errClosed()
	}
	turn, err := c.drv.begin(ctx)
	if err != nil {
		return err
	}
	defer turn.end()
	// What is there already, or gone already, is told once it is known to last.
	switch err = c.make(ctx, turn, asked, fn); {
	case errors.Is(err, errNothing):
		return turn.settle()
	case errors.Is(err, ErrNotFound):
		return cmpError(turn.settle(), err)
	default:
		return err
	}
}

// errNothing is the error of a change that changes nothing, because what it is
// to make is there.
var errNothing = errors.New("there is nothing to change")

// make is try in turn.
func (c *core) make(ctx context.Context, turn turn, asked *answers, fn func(t *tx) error) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.isClosed() {
		return errClosed()
	}
	if c.tripped != nil {
		return c.tripped
	}
	if err := c.catchUp(ctx, turn); err != nil {
		return err
	}
	cond := conditionOf(ctx)
	if err := cond.hold(ctx); err != nil {
		return err
	}
	t := &tx{c: c, m: c.m, at: c.stamp(), b: newBatch(), answers: asked}
	if err := fn(t); err != nil {
		return err
	}
	if len(asked.asking) > 0 {
		return errAsk
	}
	if t.empty() {
		cond.done()
		if t.asFound {
			return nil
		}
		return errNothing
	}
	ops, rows, err := t.ops()
	if err != nil {
		return err
	}
	changed, state := t.b.changesState(c.m), c.m.next(t.b)
	if changed && c.check != nil {
		if err := c.check(state); err != nil {
			return refused(err)
		}
	}
	to := markOf(t.b.head.Commits, headIn(ops))
	if err := turn.commit(ops, to); err != nil {
		if _, ok := errors.AsType[*uncertainError](err); ok {
			trip := Error{Kind: KindUnavailable, What: whatStore,
				Detail: "a write failed half way, so that the disk may hold more than was acknowledged; no more changes are taken",
				Next:   "repair the disk and restart weighbridge", Cause: err}
			unknown := trip // of this change; of those that come nothing is made
			c.tripped, unknown.Cause = &trip, joinCause(ErrUnknown, err)
			return &unknown
		}
		return err
	}
	cond.done()
	c.ledger, c.schema, c.at = rows, c.nextSchema(), to
	c.mu.Lock()
	c.m.install(t.b, state)
	if t.kek != nil {
		c.installKEK(t.kek)
	}
	c.mu.Unlock()
	if changed && c.onChange != nil {
		c.onChange(state)
	}
	return nil
}

// maxRefusal bounds what is said of a state that was not accepted.
const maxRefusal = 512

// refused is the answer to a change whose outcome could not be decided by.
func refused(err error) error {
	detail := err.Error()
	if len(detail) > maxRefusal {
		detail = strings.ToValidUTF8(detail[:maxRefusal], "") + "…"
	}
	return &Error{Kind: KindInvalid, What: "change", Detail: "it would leave a state that no request can be decided by: " + detail, Cause: err}
}

func (c *core) isClosed() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.closed
}

// State implements Store.
func (c *core) State(ctx context.Context) (s auth.State, err error) {
	err = c.view(ctx, func(m *model) error { s = m.state; return nil })
	return s, err
}

// Close implements Store. It waits for the change that is being made; one that
// waits for its turn finds the store closed.
func (c *core) Close() error {
	c.writing.Lock()
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	c.writing.Unlock()
	if closed {
		return nil
	}
	return c.drv.close()
}

func errClosed() error {
	return &Error{Kind: KindUnavailable, What: whatStore, Detail: "it is closed"}
}

// checkCounts compares what was read with what the last commit counted.
func checkCounts(h head, m *model) error { return compareCounts(h, m.counts()) }

func compareCounts(h head, got map[string]int) error {
	// A store from before there was a table counts nothing of it.
	none := func(_ string, n int) bool { return n == 0 }
	maps.DeleteFunc(got, none)
	was := maps.Clone(h.Rows)
	maps.DeleteFunc(was, none)
	if !maps.Equal(got, was) {
		return &Error{Kind: KindUnavailable, What: whatStore,
			Detail: fmt.Sprintf("rows are missing or too many: there are %v, and there were %v", got, was),
			Next:   restoreHint, Cause: ErrDamaged}
	}
	return nil
}
