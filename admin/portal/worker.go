package portal

import (
	"bytes"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// remoteBundle is where a worker on another machine keeps the CA bundle, unless
// it is said otherwise.
const remoteBundle = "/etc/weighbridge-ca.pem"

// reach is how a worker reaches weighbridge, as a form has it: the URL of the
// proxy, and where the CA bundle lies on the worker.
type reach struct {
	Proxy, Bundle string
	// Here is the bundle of a worker on weighbridge's own machine; it is told to
	// who runs weighbridge.
	Here string
	// Everywhere says that the proxy listens on every address.
	Everywhere bool
}

// Near reports whether only a worker on weighbridge's own machine gets there.
func (r reach) Near() bool {
	u, err := url.Parse(r.Proxy)
	return err == nil && loopback(u.Hostname())
}

// reachOf is how a worker probably reaches weighbridge.
func (v *visit) reachOf(sys *admin.System) reach {
	r := reach{Proxy: sys.ProxyURL, Bundle: remoteBundle, Here: sys.CABundle, Everywhere: sys.ProxyEverywhere}
	u, err := url.Parse(sys.ProxyURL)
	if err != nil || u.Host == "" {
		r.Proxy = "" // a unix socket, which no client takes: it has to be said
		return r
	}
	// Whoever is here by the machine's name reaches the proxy by it as well, where
	// that listens everywhere.
	if name := hostname(v.r.Host); sys.ProxyEverywhere && !loopback(name) {
		u.Host = net.JoinHostPort(name, u.Port())
		r.Proxy = u.String()
	}
	if r.Near() && sys.CABundle != "" {
		r.Bundle = sys.CABundle
	}
	return r
}

// read takes what a form says of it.
func (r reach) read(form url.Values) reach {
	if proxy := strings.TrimSuffix(strings.TrimSpace(form.Get("proxy")), "/"); proxy != "" {
		if r.Proxy != proxy && r.Bundle == r.Here {
			r.Bundle = remoteBundle
		}
		r.Proxy = proxy
	}
	if bundle := strings.TrimSpace(form.Get("bundle")); bundle != "" {
		r.Bundle = bundle
	}
	return r
}

func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

func loopback(name string) bool {
	ip, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && ip.IsLoopback()
}

// lines are something to copy.
type lines struct{ ID, Label, Text string }

// pane is what is to be copied for one kind of client.
type pane struct {
	ID, Label string
	Notes     []string
	Lines     []lines
}

// way is a way in which a worker goes through weighbridge.
type way struct {
	ID, Label, Lead string
	Notes           []string
	// Before are lines that are needed once on a worker, Bundle says that they
	// are about the CA bundle; Try fetches something.
	Before []lines
	Bundle bool
	Panes  []pane
	Try    *lines
}

// worker is whom export lines are made for.
type worker struct {
	reach
	key, urlKey auth.Secret
	intercept   bool
	// hub says that the worker downloads from the Hugging Face Hub and, as far as
	// is known, from nowhere else.
	hub bool
}

// checkReach says what is wrong with how a worker reaches weighbridge, before
// something is made whose secret could then not be shown.
func (v *visit) checkReach(r reach) error {
	_, err := workerenv.Variables(workerenv.Options{Mode: workerenv.Forward, ProxyURL: r.Proxy, NoKey: true, Bundle: r.Bundle})
	if err == nil {
		err = workerenv.Render(&bytes.Buffer{}, "docker", []workerenv.Var{{Name: "SSL_CERT_FILE", Value: r.Bundle}})
	}
	if err != nil {
		return &admin.Problem{Status: http.StatusUnprocessableEntity, Code: "invalid", Detail: err.Error(), Next: v.say("worker.reach.next")}
	}
	return nil
}

// ways are the export lines of a worker, in each mode and for each kind of
// client. What suits the worker best comes first.
func (v *visit) ways(w worker) ([]way, error) {
	forward, err := v.forward(w)
	if err != nil {
		return nil, err
	}
	reverse, err := v.reverse(w)
	if err != nil {
		return nil, err
	}
	if w.hub {
		return []way{reverse, forward}, nil
	}
	return []way{forward, reverse}, nil
}

func (v *visit) forward(w worker) (way, error) {
	o := workerenv.Options{Mode: workerenv.Forward, ProxyURL: w.Proxy, Key: w.key, Placeholder: v.p.o.Placeholder}
	if w.intercept {
		o.Bundle = w.Bundle
	}
	out := way{ID: "forward", Label: v.say("worker.forward"), Lead: v.say("worker.forward.lead"), Notes: workerenv.Warnings(o)}
	if w.intercept && w.Bundle != w.Here {
		out.Bundle, out.Before = true, v.fetchBundle(w)
	}
	if w.hub {
		out.Try = &lines{"try-forward", v.say("worker.try"), "curl -fsSLO https://huggingface.co" + sampleFile}
	}
	var err error
	out.Panes, err = v.panes(o)
	return out, err
}

func (v *visit) reverse(w worker) (way, error) {
	o := workerenv.Options{Mode: workerenv.Reverse, ProxyURL: w.Proxy, Key: w.key, Placeholder: v.p.o.Placeholder, Bundle: w.Bundle}
	out := way{ID: "reverse", Label: v.say("worker.reverse"), Lead: v.say("worker.reverse.lead")}
	if strings.HasPrefix(w.Proxy, "https:") && w.Bundle != w.Here {
		out.Bundle, out.Before = true, v.fetchBundle(w)
	}
	if w.hub {
		out.Try = &lines{"try-reverse", v.say("worker.try"), `curl -fsSLO -H "Authorization: Bearer $HF_TOKEN" "$HF_ENDPOINT` + sampleFile + `"`}
	}
	var err error
	if out.Panes, err = v.panes(o); err != nil {
		return out, err
	}
	for i := range out.Panes {
		p := &out.Panes[i]
		if p.ID != "comfyui" {
			continue
		}
		if w.urlKey.Reveal() == "" {
			p.Notes = append(p.Notes, v.say("worker.comfyui.url-key"))
			continue
		}
		o.URLKey = w.urlKey
		if *p, err = v.comfyUI(o); err != nil {
			return out, err
		}
	}
	return out, nil
}

// sampleFile is a small file of a public repository of the Hub.
const sampleFile = "/openai-community/gpt2/resolve/main/config.json"

// fetchBundle makes the CA bundle on a worker with a trust store of its own.
// Over TLS nothing verifies the listener before it is there.
func (v *visit) fetchBundle(w worker) []lines {
	if strings.HasPrefix(w.Proxy, "https:") {
		return nil
	}
	return []lines{{"bundle", v.say("worker.bundle.fetch"),
		"curl -fsS " + quoted(w.Proxy+"/.weighbridge/ca.pem") + " | cat /etc/ssl/certs/ca-certificates.crt - | sudo tee " + quoted(w.Bundle) + " > /dev/null"}}
}
