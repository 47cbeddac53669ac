package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/internal/bridge"
)

// endServe ends by the signal s: for the delay everything is served as before,
// then what is under way may finish.
func endServe(b *bridge.Bridge, log zerolog.Logger, s os.Signal, signals <-chan os.Signal, served <-chan error) error {
	atOnce := false
	if delay := b.DrainDelay(); delay > 0 {
		b.Leave()
		log.Info().Str("signal", s.String()).Str("drain_delay", delay.String()).Msg("leaving: not ready any more, and everything is served as before")
		atOnce = linger(delay, signals)
	}
	if !atOnce {
		log.Info().Str("signal", s.String()).Str("drain", b.DrainLimit().String()).Msg("draining: no new connections, live downloads may finish")
	}
	return drain(b, log, atOnce, signals, served)
}

// linger waits for delay. It reports whether a second signal ended it before.
func linger(delay time.Duration, signals <-chan os.Signal) (again bool) {
	over := time.NewTimer(delay)
	defer over.Stop()
	for {
		select {
		case <-over.C:
			return false
		case s := <-signals:
			if s != syscall.SIGHUP { // a reload is not worth it any more
				return true
			}
		}
	}
}

// drain waits for live downloads; atOnce, a second signal, or the end of the
// time, resets what is left.
func drain(b *bridge.Bridge, log zerolog.Logger, atOnce bool, signals <-chan os.Signal, served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), b.DrainLimit())
	defer cancel()
	cut := func() {
		log.Warn().Msg("second signal: stopping at once")
		cancel()
	}
	if atOnce {
		cut()
	}
	done := make(chan error, 1)
	go func() { done <- b.Drain(ctx) }()
	for {
		select {
		case s := <-signals:
			if s != syscall.SIGHUP {
				cut()
			}
		case err := <-done:
			if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
				return err
			}
			if err != nil {
				log.Warn().Msg("downloads that did not finish in time were cut by reset")
			}
			<-served
			log.Info().Msg("stopped")
			return nil
		}
	}
}
