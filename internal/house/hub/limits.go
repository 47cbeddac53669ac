package hub

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// The Hub counts in fixed windows of five minutes, by three classes of routes
// (Hub documentation, "Rate limits"); the quota is the one of a large plan.
const (
	window = 5 * time.Minute
	quota  = 100000
)

// limits puts the rate limit headers on every answer of the Hub.
type limits struct {
	now func() time.Time

	mu    sync.Mutex
	since time.Time
	used  map[string]int
}

func (l *limits) mark(w http.ResponseWriter, path string) {
	class := "pages"
	switch {
	case strings.Contains(path, "/resolve/") || strings.HasPrefix(path, "/api/resolve-cache/"):
		class = "resolvers"
	case strings.HasPrefix(path, "/api/"):
		class = "api"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.used == nil || now.Sub(l.since) >= window {
		l.since, l.used = now, map[string]int{}
	}
	l.used[class]++
	w.Header().Set("RateLimit", rateLimit(class, max(1, quota-l.used[class]), int((window-now.Sub(l.since)).Seconds())))
	w.Header().Set("RateLimit-Policy", fmt.Sprintf(`"fixed window";"%s";q=%d;w=%d`, class, quota, int(window.Seconds())))
}

func rateLimit(class string, remaining, seconds int) string {
	return fmt.Sprintf(`"%s";r=%d;t=%d`, class, remaining, seconds)
}

// RateLimited is a fault: 429 that says by RateLimit, with nothing remaining,
// when to come again.
func RateLimited(times, seconds int) origin.Fault {
	return tooMany(times, "RateLimit", rateLimit("resolvers", 0, seconds))
}

// RetryAfter is a fault: 429 that says by Retry-After when to come again.
func RetryAfter(times, seconds int) origin.Fault {
	return tooMany(times, "Retry-After", fmt.Sprint(seconds))
}

func tooMany(times int, name, value string) origin.Fault {
	header := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	header.Set(name, value)
	return origin.Fault{Kind: origin.Answer, Host: Host, Times: times, Status: http.StatusTooManyRequests,
		Header: header, Body: `{"error":"We had to rate limit you."}`}
}
