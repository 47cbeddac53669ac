package bridge

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
	"github.com/weighbridge/weighbridge/config"
)

// openFollowers begins to send the record on. It comes last: what is sent was
// opened before.
func (b *Bridge) openFollowers(cfg *config.Config) error {
	for i := range cfg.Audit.Followers {
		c := &cfg.Audit.Followers[i]
		f, err := audit.NewFollower(audit.FollowerOptions{
			Name: c.Name, Record: b.record, Acts: b.store.LinesAfter, Sink: b.sink(c), MaxLag: int64(c.MaxLag), Now: b.o.Now,
			ActsOnly: c.Type == "stdout" && cfg.Store.Driver == "memory",
			Report: func(err error) {
				if err == nil {
					b.log.Info().Str("follower", c.Name).Msg("a follower of the record takes events again")
					return
				}
				b.log.Error().Err(err).Msg("a follower of the record has a problem; the record itself goes on")
			},
		})
		if err != nil {
			return fmt.Errorf("audit.followers[%d]: %w", i, err)
		}
		b.followers = append(b.followers, f)
		labels := prometheus.Labels{"follower": c.Name}
		b.metrics.registry.MustRegister(
			prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "weighbridge_audit_follower_dropped_total", ConstLabels: labels,
				Help: "Events that were dropped for a follower that fell behind."}, func() float64 { return float64(f.Dropped()) }),
			prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "weighbridge_audit_follower_gaps_total", ConstLabels: labels,
				Help: "Times that retention removed files of the record before a follower had all of them."}, func() float64 { return float64(f.Gaps()) }),
			prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "weighbridge_audit_follower_sent_total", ConstLabels: labels,
				Help: "Events that a follower took."}, func() float64 { return float64(f.Sent()) }))
	}
	return nil
}

// openMemoryRecord opens the record of what has no disk. Where a follower is the
// standard output, the record of use is written there, and nothing is served
// that it did not take: see ADR 11.
func (b *Bridge) openMemoryRecord(cfg *config.Config) (err error) {
	o := audit.MemoryOptions{
		Keys: b.store.AuditKeys(), Now: b.o.Now, CommitLimit: b.o.CommitLimit, Retention: cfg.Audit.Retention, TeamQuota: int64(cfg.Audit.TeamQuota),
		Notify: b.recordChanged,
	}
	if slices.ContainsFunc(cfg.Audit.Followers, func(c config.Follower) bool { return c.Type == "stdout" }) {
		o.Out = b.stdout
	}
	b.record, err = audit.OpenMemory(o)
	return err
}

func (b *Bridge) sink(c *config.Follower) audit.Sink {
	switch c.Type {
	case "stdout":
		return audit.WriterSink(b.stdout)
	case "webhook":
		var token func() (auth.Secret, error)
		if !c.Token.IsZero() {
			token = func() (auth.Secret, error) { return b.loaded.Load().Value(c.Token) }
		}
		return audit.WebhookSink(b.webhookClient(), c.URL, token)
	default:
		return audit.FileSink(c.Path, int64(c.MaxSize), c.Keep)
	}
}

// webhookClient reaches what the operator names, which may well be on a private
// network: not through the guard of the data plane. It verifies by the same
// roots and follows no redirect.
func (b *Bridge) webhookClient() *http.Client {
	d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: b.ownRoots.Load()}}
	return client(&http.Transport{DialContext: d.NetDialer.DialContext, DialTLSContext: d.DialContext})
}
