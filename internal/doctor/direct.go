package doctor

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/internal/trial"
)

// companions are hosts of the Hub's downloads, which NO_PROXY should not name
// either: without another way out the bytes would not come.
var companions = []string{"us.aws.cdn.hf.co", "cas-server.xethub.hf.co", "transfer.xethub.hf.co"}

// direct looks at NO_PROXY.
func (x *examination) direct() {
	upper, lower := x.env["NO_PROXY"], x.env["no_proxy"]
	if upper != lower && upper != "" && lower != "" {
		x.find(Finding{Warning, "no_proxy_differs", "NO_PROXY", "NO_PROXY and no_proxy differ: which one counts depends on the client", `export no_proxy="$NO_PROXY"`})
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		entries := split(x.env[name])
		for _, host := range x.hosts {
			x.past(name, entries, host, Fault)
			if host == "huggingface.co" {
				for _, c := range companions {
					x.past(name, entries, c, Warning)
				}
			}
		}
	}
	if both := append(split(upper), split(lower)...); !slices.ContainsFunc(both, func(e string) bool { return covers(e, "localhost", "443") }) {
		x.find(Finding{Warning, "no_proxy_loopback", "NO_PROXY", "NO_PROXY does not name this machine: some clients send calls to ComfyUI's own port through the proxy",
			`export NO_PROXY="localhost,127.0.0.1,::1${NO_PROXY:+,$NO_PROXY}"; export no_proxy="$NO_PROXY"`})
	}
}

// past says that entries lead host past the proxy.
func (x *examination) past(name string, entries []string, host string, s Severity) {
	var kept []string
	var hit string
	for _, e := range entries {
		if covers(e, host, "443") {
			hit = e
			continue
		}
		kept = append(kept, e)
	}
	if hit == "" {
		return
	}
	x.find(Finding{s, "no_proxy", name, name + " sends " + printable(host) + " past the proxy (entry " + quote(hit) + "), and so without a credential",
		"export " + name + "=" + quote(strings.Join(kept, ","))})
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// plain looks at what leads http:// URLs to weighbridge, where there are any.
func (x *examination) plain() {
	if x.o.Proxy != "" || !slices.ContainsFunc(x.o.URLs, func(raw string) bool {
		u, err := trial.ParseURL(raw)
		return err == nil && u.Scheme == "http"
	}) {
		return
	}
	upper, lower := x.env["HTTP_PROXY"], x.env["http_proxy"]
	fix := `export HTTP_PROXY="$HTTPS_PROXY" http_proxy="$HTTPS_PROXY"`
	if x.env["HTTPS_PROXY"] == "" {
		fix = `export HTTP_PROXY="$https_proxy" http_proxy="$https_proxy"`
	}
	_, ours := x.first("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
	switch {
	case upper+lower == "" && x.env["ALL_PROXY"]+x.env["all_proxy"] == "":
		x.find(Finding{Fault, "proxy_missing", "http_proxy", "http_proxy is not set, which is what counts for URLs with http://: clients go past weighbridge, without a credential", fix})
	case lower != "" && lower != ours, upper != "" && upper != ours:
		x.find(Finding{Fault, "proxy_differs", "http_proxy", "what counts for URLs with http:// (http_proxy, HTTP_PROXY) is not what HTTPS_PROXY is", fix})
	case lower == "" && upper != "":
		x.find(Finding{Warning, "proxy_case", "http_proxy", "only HTTP_PROXY is set: curl, wget and aria2 read it in lower case alone", `export http_proxy="$HTTP_PROXY"`})
	}
}

// covers reports whether an entry of NO_PROXY is about a port of host for at
// least one client: curl, Go, httpx and urllib take a name for itself and everything
// below it, with or without a dot before it, and some an address range.
func covers(entry, host, port string) bool {
	entry, host = strings.ToLower(entry), strings.ToLower(host)
	if entry == "*" {
		return true
	}
	if at := strings.LastIndexByte(entry, ':'); at > 0 && strings.Count(entry, ":") == 1 {
		if p := entry[at+1:]; p != port && p != "*" {
			return false
		}
		entry = entry[:at]
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if block, err := netip.ParsePrefix(entry); err == nil {
			return block.Contains(ip)
		}
		return entry == host
	}
	entry = strings.TrimPrefix(strings.TrimPrefix(entry, "*"), ".")
	return entry != "" && (host == entry || strings.HasSuffix(host, "."+entry))
}

// quote makes one word of s for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(printable(s), "'", `'\''`) + "'" }

// printable is s without what could move a terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
