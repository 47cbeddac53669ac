package admin

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// fromProgram refuses what a web page could have made a browser send: the
// fields in which browsers tell of a page (Fetch Metadata, section 2), and, on
// a listener on loopback, a foreign name in the Host field (DNS rebinding).
// Beyond loopback everybody may ask anyway. What is not served is not found,
// whoever asks.
func (a *API) fromProgram(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		if r.URL.Path == oidcCallback && r.Method == http.MethodGet && r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
			// The provider's page sends the browser here; that it is the browser
			// that began, its cookie shows.
			site = ""
		}
		page := !a.ownOrigin(r) || site != "" && site != "none" && site != "same-origin"
		_, served := a.at(r)
		if served != "" && (page || onLoopback(r) && !a.ownName(r.Host)) {
			a.denyPlain(w, r, served, &Caller{Address: peer(r.RemoteAddr)}, problem(http.StatusForbidden, string(auth.CodeBrowserForbidden),
				"the request looks like one of a web page, or names a host that this listener is not",
				"Call the listener by a loopback name or address, from a program; list other names in allowed_hosts."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// AdmitPage reports whether a request for what the portal serves may go on;
// where it may not it is answered, and on record under pattern. Reading is for
// whoever comes from a page of ours, from none, or follows a link from
// elsewhere to a page as a whole; changing is for pages of ours alone, and so
// the request has to say where it comes from. A browser of today says it in
// Sec-Fetch-Site (Fetch Metadata, section 2.3), one of yesterday in Origin.
func (a *API) AdmitPage(w http.ResponseWriter, r *http.Request, pattern string) bool {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	var ok bool
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		link := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
		ok = a.ownOrigin(r) && (site == "" || site == "none" || site == "same-origin" || link)
	default:
		ok = a.ownOrigin(r) && (site == "same-origin" || site == "" && origin != "")
	}
	if ok && (!onLoopback(r) || a.ownName(r.Host)) {
		return true
	}
	a.denyPlain(w, r, pattern, &Caller{Address: peer(r.RemoteAddr)}, problem(http.StatusForbidden, string(auth.CodeBrowserForbidden),
		"the request was sent by a page of another site, or names a host that this listener is not",
		"Open the portal by its own address; list other names of the listener in allowed_hosts."))
	return false
}

// FromElsewhere reports whether another site's page led a browser here.
func FromElsewhere(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// ownOrigin reports whether a page that asks is one of this listener's own
// (RFC 6454, section 7): of where the request came, or of what stands in front.
// Where it came under the front's name, it is of the front alone. Programs send
// no Origin.
func (a *API) ownOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if front, ok := a.front(); ok {
		if u.Scheme == front.Scheme && strings.EqualFold(u.Host, front.Authority()) {
			return true
		}
		if strings.EqualFold(r.Host, front.Authority()) {
			return false
		}
	}
	return u.Scheme == scheme && strings.EqualFold(u.Host, r.Host)
}

// front is what browsers name instead of the listener; there may be none.
func (a *API) front() (t auth.Target, ok bool) {
	if a.o.URL == nil {
		return t, false
	}
	raw := a.o.URL()
	if raw == "" {
		return t, false
	}
	t, err := auth.ParseURL(raw)
	return t, err == nil
}

// OverTLS reports whether what browsers send comes over TLS: to the listener, or
// to what stands in front of it.
func (a *API) OverTLS(r *http.Request) bool { return r.TLS != nil || a.frontTLS() }

// frontTLS reports whether what stands in front of the listener ends TLS.
func (a *API) frontTLS() bool {
	front, ok := a.front()
	return ok && front.Scheme == "https"
}

func onLoopback(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// ownName reports whether host, with or without a port, is a loopback name or
// address, one that is listed, or that of the
// front.
func (a *API) ownName(host string) bool {
	name, _, err := auth.ParseAuthority(host, 80)
	if err != nil {
		return false
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.IsLoopback()
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if front, ok := a.front(); ok && front.Host == name {
		return true
	}
	return a.o.Hosts != nil && slices.ContainsFunc(a.o.Hosts(), func(h string) bool { return strings.EqualFold(h, name) })
}
