package bridge

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxLimits bounds what is kept; there are as many as credentials that are in
	// use, times the classes of limits.
	maxLimits = 100_000
	// defaultWindow is how long a limit is shown that does not say when it ends:
	// the Hub's windows are of five minutes.
	defaultWindow = 5 * time.Minute
)

// rateLimits are what upstreams say is left of the limits of each credential,
// by the field RateLimit (draft-ietf-httpapi-ratelimit-headers-10, section 4):
// `"resolvers";r=2998;t=172`.
type rateLimits struct {
	now func() time.Time

	mu   sync.Mutex
	left map[limitKey]limit
}

type limitKey struct{ credentialID, class string }

type limit struct {
	remaining int64
	until     time.Time
}

var limitDesc = prometheus.NewDesc("weighbridge_upstream_ratelimit_remaining",
	"Requests that an upstream says are left in its window, by the id of the credential and the class of the limit.", []string{"credential_id", "class"}, nil)

// classes are those that the Hub tells apart; a class is an upstream's word, and
// labels are to have few values.
var classes = map[string]bool{"api": true, "resolvers": true, "pages": true}

// see notes what an answer said.
func (r *rateLimits) see(credentialID, field string) {
	class, remaining, window, ok := parseRateLimit(field)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.left) >= maxLimits {
		clear(r.left)
	}
	r.left[limitKey{credentialID, class}] = limit{remaining, r.now().Add(window)}
}

// parseRateLimit reads the first item of the list, which is the limit that is
// nearest.
func parseRateLimit(field string) (class string, remaining int64, window time.Duration, ok bool) {
	item, _, _ := strings.Cut(field, ",")
	parts := strings.Split(item, ";")
	class = strings.Trim(strings.TrimSpace(parts[0]), `"`)
	if !classes[class] {
		class = "other"
	}
	window, remaining = defaultWindow, -1
	for _, p := range parts[1:] {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			continue
		}
		switch name {
		case "r":
			remaining = n
		case "t":
			window = time.Duration(min(n, 86_400)) * time.Second
		}
	}
	return class, remaining, window, remaining >= 0
}

// Describe implements prometheus.Collector.
func (r *rateLimits) Describe(ch chan<- *prometheus.Desc) { ch <- limitDesc }

// Collect implements prometheus.Collector. A window that has ended says nothing
// any more.
func (r *rateLimits) Collect(ch chan<- prometheus.Metric) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for k, l := range r.left {
		if !now.Before(l.until) {
			delete(r.left, k)
			continue
		}
		ch <- prometheus.MustNewConstMetric(limitDesc, prometheus.GaugeValue, float64(l.remaining), k.credentialID, k.class)
	}
}
