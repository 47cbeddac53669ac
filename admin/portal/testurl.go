package portal

import (
	"net/url"

	"github.com/weighbridge/weighbridge/auth"
)

// testable reports whether an event is the refusal of a URL about which
// *Test a URL* tells more.
func testable(e *auth.Event) bool {
	switch e.Code {
	case auth.CodeNoCredentialMatched, auth.CodeNotLinked, auth.CodeCredentialNotUsable, auth.CodeRouteForbidden:
		return e.Host != "" && e.KeyName != ""
	default:
		return false
	}
}

// TestHref is *Test a URL* for what a request of the record asked for.
func (w *view) TestHref(e auth.Event) string {
	q := url.Values{"url": {"https://" + e.Host + e.Path}, "key": {e.KeyName}}
	if e.Mode != "" && e.Mode != "forward" {
		q.Set("mode", "reverse")
	}
	return w.At("test") + "?" + q.Encode()
}

// testPages are about what a URL would get.
func (p *Portal) testPages() {}
