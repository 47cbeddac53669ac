package main

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// writes counts how often it is written to.
type writes struct {
	mu sync.Mutex
	b  bytes.Buffer
	n  int
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
	return w.b.Write(p)
}

// seen is how many writes there were, and how many lines in them.
func (w *writes) seen() (writes, lines int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n, bytes.Count(w.b.Bytes(), []byte("\n"))
}

func TestLogLinesAreWrittenTogetherWhereThereAreMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w writes
		b := newLogBuffer(&w)
		log := zerolog.New(b)
		want := func(writes, lines int) {
			t.Helper()
			synctest.Wait()
			if n, got := w.seen(); n != writes || got != lines {
				t.Errorf("%d lines in %d writes, want %d in %d", got, n, lines, writes)
			}
		}
		log.Info().Msg("after silence")
		want(1, 1)
		for range 10 {
			log.Info().Msg("close behind")
		}
		want(1, 1)
		time.Sleep(logDelay)
		want(2, 11)
		log.Info().Msg("held")
		log.Warn().Msg("a warning takes along what was held")
		want(3, 13)
		log.Error().Msg("at once")
		want(4, 14)
		log.Info().Msg("held")
		b.Flush()
		want(5, 15)
		time.Sleep(logDelay)
		log.Info().Msg("after silence")
		want(6, 16)
		long := strings.Repeat("x", logBytes)
		log.Info().Msg(long)
		want(7, 17)
	})
}
