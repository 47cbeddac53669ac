// Package doctor finds out, on a worker and in one go, why a download through
// weighbridge fails: what the environment says, whether the listener answers,
// whether each family of clients trusts what it shows, whose clock is wrong,
// whether the API key is known, and what comes of the URLs that are asked for.
// Each finding has the line that mends it.
//
// It asks the data plane alone. No finding holds an API key, a token, a query
// or a URL's userinfo.
package doctor

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/trial"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// Severity says how much a finding matters.
type Severity string

// The severities. A fault keeps a download from working; a warning keeps
// clients of one kind from it; what is fine is said too, so that silence means
// that something was not looked at.
const (
	Fault   Severity = "fault"
	Warning Severity = "warning"
	Fine    Severity = "ok"
)

// Finding is one thing that was looked at.
type Finding struct {
	Severity Severity `json:"severity"`
	// Check is a stable word for what was found.
	Check string `json:"check"`
	// About is the URL, the variable or the family of clients that it is about.
	About  string `json:"about,omitempty"`
	Detail string `json:"detail"`
	// Fix is the line to run, or what to do; empty where nothing is to be done.
	Fix string `json:"fix,omitempty"`
}

// Report is everything that was found.
type Report struct {
	OK       bool      `json:"ok"`
	Proxy    string    `json:"proxy,omitempty"`
	Findings []Finding `json:"findings"`
}

// Options of an examination. Environ is needed.
type Options struct {
	// Environ is the worker's environment, as NAME=value.
	Environ []string
	// URLs are what fails, or should work.
	URLs []string
	// Proxy and Key stand over what the environment says.
	Proxy string
	Key   auth.Secret
	// Placeholder is the token without meaning that workers may hold.
	Placeholder string
	// Python is the interpreter of ComfyUI, by which certifi is found; empty
	// means python3.
	Python string
	// Now is the worker's clock; nil means time.Now.
	Now func() time.Time
	// Run runs a program of the worker's and returns its standard output; nil
	// means the real one. Its error is exec.ErrNotFound where there is none.
	Run func(ctx context.Context, name string, args ...string) (string, error)
	// StorePaths are where the operating system's bundle may be; nil means the
	// known places.
	StorePaths []string
	// Patience bounds the wait for each answer; zero means 15 s.
	Patience time.Duration
}

// sample is asked for where no URL is given: a page of the Hub that says where
// its files lie, for whoever asks.
const sample = "https://huggingface.co/.well-known/meta.json"

// examination is one run.
type examination struct {
	o      Options
	env    map[string]string
	report Report
	hosts  []string
	urls   []string
	// keyIn is the variable that holds the key in reverse mode, astray an
	// HF_ENDPOINT that may lead elsewhere; alternative says that there is a way
	// beside the proxy.
	keyIn       string
	astray      *way
	alternative bool
	seen
	said map[string]answer
}

// answer is what a program said.
type answer struct {
	text string
	err  error
}

// run asks a program, each question once.
func (x *examination) run(ctx context.Context, name string, args ...string) (string, error) {
	asked := strings.Join(append([]string{name}, args...), "\x00")
	a, ok := x.said[asked]
	if !ok {
		a.text, a.err = x.o.Run(ctx, name, args...)
		x.said[asked] = a
	}
	return a.text, a.err
}

// way is one of the ways in which the environment leads to weighbridge.
type way struct {
	mode workerenv.Mode
	// proxy is the listener, in reverse mode with the path that it is below.
	proxy *url.URL
	key   auth.Secret
	// urlKey is the key in the path of reverse mode, hub what stands for the Hub
	// in it: its host, or a route.
	urlKey auth.Secret
	hub    string
}

// nameless reports whether it shows nobody who asks.
func (w *way) nameless() bool { return w.key.IsZero() && w.urlKey.IsZero() }

// Examine looks at everything. It fails never: what cannot be found out is a
// finding.
func Examine(ctx context.Context, o Options) Report {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Run == nil {
		o.Run = run
	}
	if o.Patience == 0 {
		o.Patience = 15 * time.Second
	}
	x := &examination{o: o, env: environ(o.Environ), urls: o.URLs, said: map[string]answer{}}
	x.report.Findings = []Finding{}
	for _, raw := range o.URLs {
		if u, err := trial.ParseURL(raw); err == nil {
			x.hosts = append(x.hosts, u.Hostname())
		}
	}
	if len(o.URLs) == 0 {
		x.urls, x.hosts = []string{sample}, []string{"huggingface.co"}
	}
	x.store, x.brought = x.readStore(), x.certifi(ctx)
	ways := x.environment()
	x.strayed(ctx, len(ways) > 0)
	for i, w := range ways {
		if i == 0 {
			x.report.Proxy = w.at()
		}
		if x.listener(ctx, w) {
			x.downloads(ctx, w)
		}
	}
	// Reverse mode without TLS asks nobody to trust anything.
	if x.forwards || len(x.own) > 0 {
		x.trust(ctx)
	}
	if x.forwards {
		x.clients(ctx)
	}
	x.report.OK = true
	for _, f := range x.report.Findings {
		x.report.OK = x.report.OK && f.Severity != Fault
	}
	return x.report
}

// find adds a finding, once.
func (x *examination) find(f Finding) {
	for _, have := range x.report.Findings {
		if have == f {
			return
		}
	}
	x.report.Findings = append(x.report.Findings, f)
}
