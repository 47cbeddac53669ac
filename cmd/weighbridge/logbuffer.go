package main

import (
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// logDelay is how long a line of the log may stay in memory where others
	// came just before it.
	logDelay = 50 * time.Millisecond
	// logBytes is how much stays there at most.
	logBytes = 32 << 10
)

// logBuffer writes lines of the log together where there are many: a system
// call for each is a good part of what a small request costs. A line that
// comes after a while of silence is written at once, and so are warnings and
// errors, with everything before them. After an error the lines in memory are
// gone, as one that could not be written would be.
type logBuffer struct {
	w io.Writer

	mu    sync.Mutex
	buf   []byte
	last  time.Time // when something was written
	timer *time.Timer
	armed bool
}

var _ zerolog.LevelWriter = (*logBuffer)(nil)

func newLogBuffer(w io.Writer) *logBuffer {
	b := &logBuffer{w: w}
	b.timer = time.AfterFunc(time.Hour, b.Flush)
	b.timer.Stop()
	return b
}

// Write implements io.Writer: p is written at once.
func (b *logBuffer) Write(p []byte) (int, error) { return b.WriteLevel(zerolog.NoLevel, p) }

// WriteLevel implements zerolog.LevelWriter.
func (b *logBuffer) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = append(b.buf, p...)
	now := time.Now()
	if level > zerolog.InfoLevel || len(b.buf) >= logBytes || !b.armed && now.Sub(b.last) >= logDelay {
		return len(p), b.flush(now)
	}
	if !b.armed {
		b.armed = true
		b.timer.Reset(logDelay)
	}
	return len(p), nil
}

// Flush writes what is in memory.
func (b *logBuffer) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.flush(time.Now()) // nobody could be told but by the log
}

// flush is called with the lock held.
func (b *logBuffer) flush(now time.Time) error {
	if b.armed {
		b.armed = false
		b.timer.Stop()
	}
	if len(b.buf) == 0 {
		return nil
	}
	b.last = now
	_, err := b.w.Write(b.buf)
	b.buf = b.buf[:0]
	return err
}
