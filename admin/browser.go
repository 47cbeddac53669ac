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
		page := !ownOrigin(r) || site != "" && site != "none" && site != "same-origin"
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
		ok = ownOrigin(r) && (site == "" || site == "none" || site == "same-origin" || link)
	default:
		ok = ownOrigin(r) && (site == "same-origin" || site == "" && origin != "")
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
// (RFC 6454, section 7); programs send no Origin.
func ownOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return err == nil && u.Scheme == scheme && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

func onLoopback(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// ownName reports whether host, with or without a port, is a loopback name or
// address, or one that is listed.
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
	return a.o.Hosts != nil && slices.ContainsFunc(a.o.Hosts(), func(h string) bool { return strings.EqualFold(h, name) })
}
