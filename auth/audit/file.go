package audit

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
)

const (
	// defaultCommitLimit is the longest that a commit may take: an upstream's
	// answer waits for it.
	defaultCommitLimit = time.Second
	// defaultRetry is how often a tripped sink tries the file again.
	defaultRetry = time.Second
	// defaultQueue is room for a second of about 80,000 lines.
	defaultQueue = 32 << 20
	// checkpointEvery bounds what a start has to read.
	checkpointEvery = 16 << 20
	// closeGrace is how long Close waits for a disk that does not answer.
	closeGrace = 5 * time.Second
	// lingerTime is how long a line that nobody waits for stays in memory, so
	// that it shares the commit of one that somebody does. That is as long as
	// a crash can take it back: an outcome, of which the next start then says
	// that it is not known.
	lingerTime = 20 * time.Millisecond
	// commitBytes is how much is not left to gather.
	commitBytes = 64 << 10
	// crowd is from how many admissions in one commit on those that follow
	// within crowdTime are left to gather, until half as many are waited for and
	// for gatherTime at most: there is work for the processors meanwhile, and a
	// commit costs as much for one as for all.
	crowd      = 4
	crowdTime  = 5 * time.Millisecond
	gatherTime = time.Millisecond
	// parts is how many files share what MaxSize allows, and minPart the least
	// that one may have.
	parts   = 8
	minPart = 1 << 20
	// day is how often files are pruned.
	day = 24 * time.Hour
)

// Actions that the sink itself puts on record.
const (
	// ActionResumed tells of a time in which the record could not be written:
	// Duration is how long, Count how many requests were refused for it.
	ActionResumed = "audit.resumed"
	// ActionLost tells of Count reports (of events that had happened) for which
	// there was no room in memory while the record could not be written.
	ActionLost = "audit.lost"
)

// FileOptions of a file sink. The zero value has the documented defaults.
type FileOptions struct {
	// Keys are those of the chains. They are required, and must be the same for
	// the life of the record.
	Keys *chain.Keys
	// Now defaults to time.Now.
	Now func() time.Time
	// Retention is how long files are kept; zero keeps them for ever.
	Retention time.Duration
	// MaxSize is how many bytes all files may have together before the oldest
	// are removed, about; zero is no bound. Where it is set, a file ends before
	// the month does, at an eighth of it.
	MaxSize int64
	// TeamQuota is how many bytes one team may write in a minute, with ten
	// minutes' worth in hand; zero is no quota.
	TeamQuota int64
	// QueueBytes bounds what waits in memory; zero is 32 MiB. Reports of what
	// has happened may take twice that.
	QueueBytes int
	// CommitLimit is the longest that a commit may take before the sink trips;
	// zero is a second.
	CommitLimit time.Duration
	// Retry is how often a tripped sink tries again; zero is a second.
	Retry time.Duration
	// Disk defaults to the operating system's.
	Disk Disk
	// Notify, if set, is told of every change: the cause when the sink trips,
	// nil when it takes lines again, and errors of pruning. It must not block.
	Notify func(error)

	// checkpoint is how many bytes lie between two checkpoints at most, beside
	// one batch; zero is checkpointEvery.
	checkpoint int64
	// part is where a file ends before its month does; zero is MaxSize/8, 1 MiB
	// at least, and no bound without a MaxSize.
	part int64
	// linger is lingerTime.
	linger time.Duration
}

// File is the append-only file sink. All methods are safe for concurrent use.
type File struct {
	o   FileOptions
	dir string
	// memory says that nothing outlives the process: not even the places of
	// followers.
	memory bool

	tripped atomic.Pointer[auth.Error]
	bufs    sync.Pool // *[]byte, for encoding outside the lock

	mu        sync.Mutex
	pending   *batch
	spare     []byte               // buffer of the last written batch
	live      map[string]admission // by request
	quotas    map[string]*quota
	summaries map[summaryKey]*summary
	refused   int64 // used events refused since the trip
	holders   []func() Cursor
	removed   Cursor // the end of the newest file that retention removed since the start
	lost      int64  // reports for which there was no room
	trippedAt time.Time
	closed    bool
	segments  []segment
	changed   chan struct{} // closed and replaced when lines became durable
	stats     Stats
	linger    *time.Timer
	lingering bool      // linger runs
	headDue   bool      // a signed head is to be written
	crowded   time.Time // until when admissions are left to gather

	wake    chan struct{}
	grown   chan struct{} // to tidy: there may be something to remove
	stop    chan struct{}
	stopped sync.WaitGroup
	final   error // the writer's last word, after stopped

	// quick says that the file lies in memory, and no sync of it waits.
	quick atomic.Bool

	// writing guards what follows: it is the writer's, or that of who hastens.
	writing sync.Mutex
	out     Handle
	name    string
	size    int64 // of the file called name: what is durable and acknowledged
	since   int64 // bytes since the last checkpoint
	begun   bool  // a checkpoint was written since the start
	from    int64 // where the running segment of the file began
	moved   bool  // the next commit begins a segment

	chains *chains
	ticked tick // when the clock was last looked at
}

// segment is a stretch of one file that this process has made durable.
type segment struct {
	name     string
	from, to int64
}

// Stats are counters for metrics.
type Stats struct {
	// Events and Commits that became durable, and Bytes of them.
	Events, Commits, Bytes int64
	// QueuedBytes wait for the writer.
	QueuedBytes int64
	// Refused admissions: tripped, over quota, or no room.
	Refused int64
	// Summarised events, which have no line of their own.
	Summarised int64
	// Trips since the start.
	Trips int64
}

// OpenFile opens the record in dir, making it (0700) where it is missing. A
// torn last line is closed off, and requests that a previous run admitted and
// whose outcome it did not record get one that begins "aborted".
//
// It fails where the record cannot be read or opened. A disk that is merely
// full opens a tripped sink that heals like any other.
func OpenFile(dir string, o FileOptions) (*File, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = defaultQueue
	}
	if o.CommitLimit == 0 {
		o.CommitLimit = defaultCommitLimit
	}
	if o.Retry == 0 {
		o.Retry = defaultRetry
	}
	if o.linger == 0 {
		o.linger = lingerTime
	}
	if o.checkpoint == 0 {
		o.checkpoint = checkpointEvery
	}
	if o.part == 0 && o.MaxSize > 0 {
		o.part = max(o.MaxSize/parts, minPart)
	}
	if o.Disk == nil {
		o.Disk = osDisk{}
	}
	if o.Notify == nil {
		o.Notify = func(error) {}
	}
	_, memory := o.Disk.(*memoryDisk)
	if !memory {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	if o.Keys == nil {
		return nil, errors.New("the record needs the keys of its chains")
	}
	was, err := recoverTail(o.Disk, dir)
	if err != nil {
		return nil, err
	}
	f := &File{
		o:         o,
		dir:       dir,
		memory:    memory,
		live:      map[string]admission{},
		quotas:    map[string]*quota{},
		summaries: map[summaryKey]*summary{},
		changed:   make(chan struct{}),
		wake:      make(chan struct{}, 1),
		grown:     make(chan struct{}, 1),
		stop:      make(chan struct{}),
	}
	f.pending = f.newPending(nil)
	f.linger = time.AfterFunc(time.Hour, f.lingered)
	f.linger.Stop()
	f.bufs.New = func() any { b := make([]byte, 0, 1024); return &b }
	f.chains = newChains(o.Keys, was)
	f.name = max(fileName(o.Now()), was.file)
	f.ticked = newTick(o.Now())
	if was.file != "" && was.file != f.name {
		if err := f.settle(was.file); err != nil {
			return nil, err
		}
	}
	if err := f.open(f.name); errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		f.tripped.Store(unavailable(err, o.CommitLimit))
		f.trippedAt = o.Now()
		f.stats.Trips++
		o.Notify(f.Err())
	} else if err != nil {
		return nil, err
	}
	f.segments = []segment{{name: f.name, from: f.size, to: f.size}}
	f.moved = false
	for _, e := range was.unfinished {
		f.report(aborted(e, o.Now()))
	}
	f.stopped.Add(2)
	go f.write()
	go f.tidy()
	f.mu.Lock()
	f.pending.hurry() // even an empty start has its checkpoint
	f.mu.Unlock()
	return f, nil
}

// hold keeps what is behind the place that at tells: a record in memory removes
// nothing of it.
func (f *File) hold(at func() Cursor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.holders = append(f.holders, at)
}

// held reports whether somebody still wants something of the file.
func (f *File) held(name string) bool {
	f.mu.Lock()
	holders := f.holders
	f.mu.Unlock()
	return slices.ContainsFunc(holders, func(at func() Cursor) bool { return at().File <= name })
}

// look lets tidy look soon whether something can be removed.
func (f *File) look() {
	select {
	case f.grown <- struct{}{}:
	default:
	}
}

// Dir is where the files are.
func (f *File) Dir() string { return f.dir }

// Err returns nil while the record takes lines, otherwise an *auth.Error with
// CodeAuditUnavailable.
func (f *File) Err() error {
	if e := f.tripped.Load(); e != nil {
		return e
	}
	return nil
}

// Stats returns the counters.
func (f *File) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.QueuedBytes = int64(len(f.pending.buf))
	return s
}

// Close writes what is queued and ends the sink. It waits five seconds for a
// disk that does not answer. The error says that something queued was not
// written; nothing that a ticket promised is among it.
func (f *File) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.flushSummaries(f.o.Now())
	f.closed = true
	f.linger.Stop()
	f.mu.Unlock()
	close(f.stop)

	ended := make(chan struct{})
	go func() { f.stopped.Wait(); close(ended) }()
	t := time.NewTimer(closeGrace)
	defer t.Stop()
	select {
	case <-ended:
		return f.final
	case <-t.C:
		return errors.New("the disk of the audit record does not answer; what was queued may not be written")
	}
}

// newPending is a batch whose tickets may be waited for.
func (f *File) newPending(buf []byte) *batch {
	b := newBatch(buf)
	b.wake, b.file = f.wake, f
	return b
}

func (f *File) path(name string) string { return filepath.Join(f.dir, name) }

// position is the end of what is durable.
func (f *File) position() segment {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.segments[len(f.segments)-1]
}
