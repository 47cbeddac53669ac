package admin

import (
	"net/url"
	"strings"
	"time"
)

// asked is what the query of a call takes. What is zero is left out.
type asked struct{ values url.Values }

func (a *asked) set(name, value string) {
	if a.values == nil {
		a.values = url.Values{}
	}
	a.values.Set(name, value)
}

func (a *asked) text(name, value string) {
	if value != "" {
		a.set(name, value)
	}
}

func (a *asked) flag(name string, value bool) {
	if value {
		a.set(name, "true")
	}
}

func (a *asked) time(name string, value time.Time) {
	if !value.IsZero() {
		a.set(name, value.Format(time.RFC3339Nano))
	}
}

func (a *asked) list(name string, value []string) {
	if len(value) > 0 {
		a.set(name, strings.Join(value, ","))
	}
}

// encode is it as it follows a path.
func (a *asked) encode() string {
	if len(a.values) == 0 {
		return ""
	}
	return "?" + a.values.Encode()
}
