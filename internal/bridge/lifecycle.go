package bridge

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/lifecycle"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/proxy"
)

// openLifecycle makes the engine that validates and expires credentials. It
// asks by the signer, and so by the guarded dialer, with TLS verified as on the
// data plane.
func (b *Bridge) openLifecycle(cfg *config.Config) {
	every := cfg.Validation.Every
	if every == 0 {
		every = -1
	}
	b.life = lifecycle.New(lifecycle.Options{
		Store: b.store, Prober: b.signer, Observer: &findings{log: b.log, metrics: b.metrics}, Now: b.o.Now, Every: every,
	})
}

// cut ends the transfers that c picks.
func (b *Bridge) cut(c admin.Cut) int {
	return b.proxy.Cut(func(t proxy.Transfer) bool {
		return t.TeamID == c.TeamID && (c.CredentialID == "" || t.CredentialID == c.CredentialID) && (c.KeyID == "" || t.KeyID == c.KeyID)
	})
}

// findings says in the log and the metrics what was found of credentials.
type findings struct {
	log     zerolog.Logger
	metrics *metrics
}

var _ lifecycle.Observer = (*findings)(nil)

func about(e *zerolog.Event, c *auth.Credential) *zerolog.Event {
	return e.Str("credential", c.Name).Str("credential_id", c.ID).Str("status", string(c.Status))
}

// Validated implements lifecycle.Observer.
func (f *findings) Validated(c auth.Credential, was auth.Status, r auth.Report) {
	f.metrics.validations.WithLabelValues(c.Provider, string(r.Verdict)).Inc()
	e := f.log.Debug()
	switch {
	case c.Status != was && c.Status == auth.StatusValid:
		e = f.log.Info()
	case c.Status != was, r.Verdict == auth.VerdictInvalid:
		e = f.log.Warn()
	}
	about(e, &c).Str("was", string(was)).Str("asked", r.Asked).Str("answer", r.Answer).Str("next", r.Next).
		Msg("a credential was validated: " + r.Meaning)
}

// Expired implements lifecycle.Observer.
func (f *findings) Expired(c auth.Credential) {
	about(f.log.Warn(), &c).Time("expired_at", c.ExpiresAt).Msg("a credential expired and is not used any more: replace it with `weighbridge credential rotate`")
}

// Expiring implements lifecycle.Observer.
func (f *findings) Expiring(c auth.Credential, left time.Duration) {
	about(f.log.Warn(), &c).Time("expires_at", c.ExpiresAt).Str("left", left.Round(time.Second).String()).
		Msg("a credential expires soon: replace it with `weighbridge credential rotate`")
}

// ClockMoved implements lifecycle.Observer.
func (f *findings) ClockMoved(by time.Duration) {
	f.log.Warn().Str("by", by.Round(time.Second).String()).Msg("the clock of this machine went back: what expired by it is asked about again")
}

// Failed implements lifecycle.Observer.
func (f *findings) Failed(err error) {
	f.log.Error().Err(err).Msg("what was found of a credential could not be stored; it is tried again")
}

// soon is how long ahead of its end a credential counts as expiring.
const soon = 7 * 24 * time.Hour

// statuses counts the credentials of each status, and those that expire soon,
// as "expiring".
func statuses(st auth.State, now time.Time) map[string]float64 {
	out := map[string]float64{"expiring": 0}
	for _, s := range []auth.Status{auth.StatusPending, auth.StatusValid, auth.StatusInvalid, auth.StatusExpired, auth.StatusRevoked} {
		out[string(s)] = 0
	}
	for i := range st.Credentials {
		c := &st.Credentials[i]
		s := c.Status
		if s == auth.StatusValid && !c.Usable(now) {
			s = auth.StatusExpired
		}
		out[string(s)]++
		if s == auth.StatusValid && !c.ExpiresAt.IsZero() && c.ExpiresAt.Sub(now) < soon {
			out["expiring"]++
		}
	}
	return out
}

// ends is for how many seconds the valid credential of each provider that ends
// first is still good; providers of which none has an end are not in it.
func ends(st auth.State, now time.Time) map[string]float64 {
	out := map[string]float64{}
	for i := range st.Credentials {
		c := &st.Credentials[i]
		if !c.Usable(now) || c.ExpiresAt.IsZero() {
			continue
		}
		left := c.ExpiresAt.Sub(now).Seconds()
		if least, ok := out[c.Provider]; !ok || left < least {
			out[c.Provider] = left
		}
	}
	return out
}

// credentialCollector shows statuses and ends when /metrics is asked.
type credentialCollector struct {
	read func() (auth.State, time.Time)
}

var (
	statusDesc = prometheus.NewDesc("weighbridge_credentials", "Credentials by status; expiring are the valid ones that end within seven days.", []string{"status"}, nil)
	endDesc    = prometheus.NewDesc("weighbridge_credential_expires_seconds", "Time until the first of the valid credentials of a provider ends, of those whose end is known.", []string{"provider"}, nil)
)

// Describe implements prometheus.Collector.
func (c *credentialCollector) Describe(ch chan<- *prometheus.Desc) { ch <- statusDesc; ch <- endDesc }

// Collect implements prometheus.Collector.
func (c *credentialCollector) Collect(ch chan<- prometheus.Metric) {
	st, now := c.read()
	if now.IsZero() {
		return
	}
	for status, n := range statuses(st, now) {
		ch <- prometheus.MustNewConstMetric(statusDesc, prometheus.GaugeValue, n, status)
	}
	for provider, left := range ends(st, now) {
		ch <- prometheus.MustNewConstMetric(endDesc, prometheus.GaugeValue, left, provider)
	}
}
