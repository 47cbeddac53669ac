package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// check looks for the mistakes that are not about form.
func (l *loader) check() {
	l.checkWords()
	l.checkListeners()
	l.checkFiles()
	l.checkLimits()
	l.checkUpstream()
	l.checkRoutes()
	l.checkComfyUI()
	l.checkFollowers()
	l.checkTracing()
	l.checkStore()
	l.checkOIDC()
	l.checkMetricsToken()
	l.checkServiceAccounts()
	l.checkKeys()
	l.checkCredentials()
	l.checkReferences()
}

// checkWords holds every field to its allowed words.
func (l *loader) checkWords() {
	leaves(reflect.ValueOf(&l.config).Elem(), "", func(path string, v reflect.Value, tag reflect.StructTag) {
		allowed := strings.Fields(tag.Get("oneof"))
		if len(allowed) == 0 || l.failed(path) {
			return
		}
		_, hasDefault := tag.Lookup("default")
		if text := v.String(); !slices.Contains(allowed, text) && (text != "" || hasDefault) {
			l.wrong(path, fmt.Sprintf("%q is not one of %s", show(text), strings.Join(allowed, ", ")), didYouMean(text, allowed, ""))
		}
	})
}

func (l *loader) checkListeners() {
	c := &l.config
	if c.SocketAccess == "all" && c.DefaultKey != "" {
		l.warn("socket_access", "everybody on the machine may use the key of default_key", "take group, and a group of the containers' own")
	}
	if c.DataDir == "" && c.Store.Driver != "memory" {
		l.wrong("data_dir", "names no directory, and the store is a file in it", "name a directory, or take store.driver memory")
	}
	if c.Listen == "" {
		l.wrong("listen", "is empty", "name an address such as 127.0.0.1:8080")
	}
	for _, f := range []struct{ path, addr string }{{"listen", c.Listen}, {"admin_listen", c.AdminListen}} {
		if m := checkListen(f.addr); f.addr != "" && m != nil {
			l.wrong(f.path, m.message, m.hint)
		}
	}
	if l.failed("listen") || l.failed("admin_listen") {
		return
	}
	if sameListener(c.Listen, c.AdminListen) {
		l.wrong("admin_listen", fmt.Sprintf("is the port of listen (%s)", c.Listen), "the proxy and the admin side never share a port: choose another")
	}
	if !local(c.Listen) {
		if !c.TLS.Enabled() {
			l.warn("listen", fmt.Sprintf("%s is reachable from other machines without TLS: API keys cross the network in the clear", c.Listen),
				"set tls.cert_file and tls.key_file, or tls.own_ca: true, unless something in front of it ends TLS")
		}
		if c.DefaultKey != "" {
			l.wrong("default_key", "would let every machine that reaches "+c.Listen+" use this key", "take a loopback address or unix:PATH for listen, or leave default_key out")
		}
	}
	if c.AdminListen != "" && !local(c.AdminListen) && !c.AdminTLS.Enabled() {
		l.warn("admin_listen", c.AdminListen+" is reachable from other machines without TLS: passwords and access tokens cross the network in the clear",
			"set admin_tls.cert_file and admin_tls.key_file, or admin_tls.own_ca: true, unless something in front of it ends TLS: then say in admin_url by which URL browsers come")
	}
	for i, h := range c.AllowedHosts {
		if _, _, err := auth.ParseAuthority(h, 1); err != nil {
			l.wrong(item("allowed_hosts", i), fmt.Sprintf("%q is not a host name: %s", show(h), reason(err)), "write the name alone, such as weighbridge.internal")
		}
	}
	for i, d := range c.S3.Domains {
		if host, _, err := auth.ParseAuthority(d, 1); err != nil || host != d || !strings.Contains(d, ".") && d != "localhost" {
			l.wrong(item("s3.domains", i), fmt.Sprintf("%q is not the name of a domain", show(d)), "write the name alone, in lower case, such as s3.weights.example.com")
		}
	}
	if c.AdminURL != "" {
		if m := checkOrigin(c.AdminURL); m != nil {
			l.wrong("admin_url", m.message, m.hint)
		}
	}
	if c.PublicURL != "" {
		m := checkBase(c.PublicURL)
		if m != nil {
			l.wrong("public_url", m.message, m.hint)
		}
		if m == nil && c.DefaultKey != "" {
			l.checkImplied()
		}
	}
}

// checkImplied looks at a default key beside a public URL: where something in
// front of the listener hands on what comes to that URL, all of it comes from
// loopback, and counts as the key.
func (l *loader) checkImplied() {
	t, err := auth.ParseURL(l.config.PublicURL)
	if err != nil || local(net.JoinHostPort(t.Host, "0")) || slices.ContainsFunc(l.config.AllowedHosts, func(h string) bool { return strings.EqualFold(h, t.Host) }) {
		return
	}
	l.wrong("default_key", "would let everybody who reaches "+show(l.config.PublicURL)+" use this key", "leave one of the two out; or list "+t.Host+" in allowed_hosts if only your own workers reach it")
}

// checkListen checks host:port or unix:PATH.
func checkListen(addr string) *mistake {
	const hint = "write host:port such as 127.0.0.1:8080, or unix:PATH"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		// sun_path holds 108 bytes with its end (unix(7)).
		if path == "" || len(path) > 107 {
			return &mistake{"the path of the socket must have 1 to 107 bytes", hint}
		}
		return nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		if _, nerr := strconv.ParseUint(addr, 10, 16); nerr == nil {
			return &mistake{fmt.Sprintf("%q is not host:port", show(addr)), fmt.Sprintf("write 127.0.0.1:%s", addr)}
		}
		return &mistake{fmt.Sprintf("%q is not host:port", show(addr)), hint}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return &mistake{fmt.Sprintf("%q is not a port", show(port)), "write a number from 0 (any free one) to 65535"}
	}
	if host == "" {
		return nil
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	if _, _, err := auth.ParseAuthority(host, 1); err != nil {
		return &mistake{fmt.Sprintf("%q is not a host: %s", show(host), reason(err)), hint}
	}
	return nil
}

// local reports whether only this machine reaches addr.
func local(addr string) bool {
	if strings.HasPrefix(addr, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// sameListener reports whether both would take the same port.
func sameListener(a, b string) bool {
	if strings.HasPrefix(a, "unix:") || strings.HasPrefix(b, "unix:") {
		return a == b
	}
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || everywhere(hostA) || everywhere(hostB)
}

func everywhere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// reason is the public half of an error of auth.
func reason(err error) string { return auth.AsError(err).Reason }

// checkBase checks a base URL.
func checkBase(raw string) *mistake {
	const hint = "write https://host[:port][/path]"
	t, err := auth.ParseURL(raw)
	switch {
	case err != nil:
		return &mistake{fmt.Sprintf("%q is not a URL: %s", show(raw), reason(err)), hint}
	case t.HasQuery:
		return &mistake{fmt.Sprintf("%q has a query", show(raw)), hint}
	}
	return nil
}

// checkOrigin checks scheme://host[:port] (RFC 6454, section 6.1).
func checkOrigin(raw string) *mistake {
	const hint = "write https://host[:port], and nothing behind it"
	t, err := auth.ParseURL(raw)
	switch {
	case err != nil:
		return &mistake{fmt.Sprintf("%q is not a URL: %s", show(raw), reason(err)), hint}
	case t.HasQuery || t.Path != "" && t.Path != "/":
		return &mistake{fmt.Sprintf("%q has a path or a query", show(raw)), hint}
	}
	return nil
}

func (l *loader) checkLimits() {
	c := &l.config
	if !isKEK(c.KEK) {
		// What stands here may be the key itself.
		l.wrong("kek", "is not the URI of a key", "write file:PATH, env:NAME for a key in a variable, or the URI of a key service's key (docs/keys-at-rest.md)")
	}
	if c.KEKCache > time.Hour && !l.failed("kek_cache") {
		l.wrong("kek_cache", fmt.Sprintf("%v is more than an hour", c.KEKCache), "so long a key that was withdrawn would still count; take 5m")
	}
	if c.Upstream.IdleTimeout < time.Second && !l.failed("upstream.idle_timeout") {
		l.wrong("upstream.idle_timeout", fmt.Sprintf("%v is less than a second", c.Upstream.IdleTimeout), "a pause that long is ordinary; take 60s")
	}
	if n := c.Audit.MaxSize; n > 0 && n < 16<<20 && !l.failed("audit.max_size") {
		l.wrong("audit.max_size", fmt.Sprintf("%v is less than 16MiB", n), "so small a record would be gone within minutes; take 1GiB, or 0 for no bound")
	}
	// Flags and defaults bypass the parsers, which refuse negative values.
	for path, v := range map[string]int64{
		"limits.connections": int64(c.Limits.Connections), "limits.transfers_per_key": int64(c.Limits.TransfersPerKey),
		"drain": int64(c.Drain), "drain_delay": int64(c.DrainDelay), "kek_cache": int64(c.KEKCache), "audit.retention": int64(c.Audit.Retention), "audit.team_quota": int64(c.Audit.TeamQuota), "audit.max_size": int64(c.Audit.MaxSize),
	} {
		if v < 0 {
			l.wrong(path, "is negative", "")
		}
	}
}

// isKEK reports whether uri has the form of a key's: those with // are of key
// services.
func isKEK(uri string) bool {
	scheme, rest, _ := strings.Cut(uri, ":")
	switch scheme {
	case "file", "env":
		return rest != ""
	case "awskms", "azurekeyvault", "gcpkms", "vault-transit":
		return strings.HasPrefix(rest, "//") && len(rest) > len("//")
	default:
		return false
	}
}

func (l *loader) checkRoutes() {
	hosts := l.patternHosts()
	for _, name := range slices.Sorted(maps.Keys(l.config.Routes)) {
		path := member("routes", name)
		at, ok := l.keyPlaces[path]
		if !ok {
			at = l.placeOf(path)
		}
		switch {
		case strings.Contains(name, "."):
			l.at(at, path, "the name of a route has no dot: with one it is a host", "take a name such as "+strings.ReplaceAll(strings.Trim(show(name), "."), ".", "-"))
		case name == "" || strings.ContainsFunc(name, notInRoute):
			l.at(at, path, "the name of a route consists of letters, digits, - and _", "")
		case hosts[strings.ToLower(name)] != "":
			l.at(at, path, fmt.Sprintf("is also the host of the pattern at %s", hosts[strings.ToLower(name)]), "take another name")
		}
		if m := checkBase(l.config.Routes[name]); m != nil && !l.failed(path) {
			l.wrong(path, m.message, m.hint)
		}
	}
}

func notInRoute(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
}

// patternHosts are the hosts of all patterns, with the field of each.
func (l *loader) patternHosts() map[string]string {
	hosts := map[string]string{}
	add := func(path string, patterns []string) {
		for i, text := range patterns {
			if p, err := auth.ParsePattern(text); err == nil && p.Scheme() != "s3" {
				hosts[p.Host()] = item(path, i)
			}
		}
	}
	for i := range l.config.Keys {
		add(item("keys", i)+".routes", l.config.Keys[i].Routes)
	}
	for i := range l.config.Credentials {
		c := &l.config.Credentials[i]
		add(item("credentials", i)+".patterns", c.Patterns)
		if len(c.Patterns) == 0 {
			add(item("credentials", i)+".provider", l.schemas[c.Provider].DefaultPatterns)
		}
	}
	return hosts
}
