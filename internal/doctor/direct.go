package doctor

import (
	"net/netip"
	"slices"
	"strings"
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
	if both := append(split(upper), split(lower)...); !slices.ContainsFunc(both, func(e string) bool { return covers(e, "localhost") }) {
		x.find(Finding{Warning, "no_proxy_loopback", "NO_PROXY", "NO_PROXY does not name this machine: some clients send calls to ComfyUI's own port through the proxy",
			`export NO_PROXY="localhost,127.0.0.1,::1${NO_PROXY:+,$NO_PROXY}"; export no_proxy="$NO_PROXY"`})
	}
}

// past says that entries lead host past the proxy.
func (x *examination) past(name string, entries []string, host string, s Severity) {
	var kept []string
	var hit string
	for _, e := range entries {
		if covers(e, host) {
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

// covers reports whether an entry of NO_PROXY is about host for at least one
// client: curl, Go, httpx and urllib take a name for itself and everything
// below it, with or without a dot before it, and some an address range.
func covers(entry, host string) bool {
	entry, host = strings.ToLower(entry), strings.ToLower(host)
	if entry == "*" {
		return true
	}
	if at := strings.LastIndexByte(entry, ':'); at > 0 && strings.Count(entry, ":") == 1 {
		if port := entry[at+1:]; port != "443" && port != "*" {
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
