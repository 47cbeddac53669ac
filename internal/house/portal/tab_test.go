//go:build realclients

package portal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// What a window is like unless a test says otherwise, and the narrowest that
// the portal is made for.
const (
	wide, high = 1280, 900
	narrow     = 380
)

// tab is a browser of its own, with its cookies and one window, in front of a
// portal. What is asked of it waits until it can be done, and a page that it
// comes to is examined (see check).
type tab struct {
	t     testing.TB
	s     *site
	ctx   context.Context
	front *front
	base  string // the portal's URL
	// plain is set where scripts do not run.
	plain bool
	// everywhere has every page seen in a narrow window, also where one of its
	// structure was seen before.
	everywhere bool

	mu      sync.Mutex
	loads   int
	loaded  chan struct{} // closed and made anew at each load
	trouble []string
	dialogs []string
}

// preload watches a page from a world of its own, which its policy and its
// scripts do not reach.
const preload = `
document.addEventListener("securitypolicyviolation", (e) => report("the policy forbids " + e.blockedURI + " by " + e.violatedDirective + ", at " + e.sourceFile + ":" + e.lineNumber));
self.shift = 0;
new PerformanceObserver((list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) self.shift += one.value; }).observe({type: "layout-shift", buffered: true});
`

// tab opens a browser in which nobody is signed in. It ends with the test.
func (s *site) tab() *tab {
	s.t.Helper()
	b := &tab{t: s.t, s: s, base: s.Bridge.AdminURL(), loaded: make(chan struct{})}
	b.front = newFront(host(b.base), s.seen)
	ctx, cancel := all.window(s.t, b.front.server.URL)
	b.ctx = ctx
	s.t.Cleanup(func() {
		b.examineTroubles("at the end")
		cancel()
		b.front.server.CloseClientConnections()
		b.front.server.Close()
	})
	chromedp.ListenTarget(ctx, b.hear)
	s.must(chromedp.Run(ctx)) // not under a limit of time, with which the tab would end
	b.do("beginning",
		emulation.SetDeviceMetricsOverride(wide, high, 1, false),
		emulation.SetFocusEmulationEnabled(true),
		emulation.SetEmulatedMedia().WithFeatures(theme("light")),
		runtime.AddBinding("report").WithExecutionContextName("kit"),
		chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := page.AddScriptToEvaluateOnNewDocument(preload).WithWorldName("kit").Do(ctx)
			return err
		}))
	return b
}

// window opens a browser with a window, which goes out by a proxy and by
// nothing else.
func (s *suite) window(t testing.TB, proxy string) (context.Context, func()) {
	t.Helper()
	at := cdp.WithExecutor(s.browser, chromedp.FromContext(s.browser).Browser)
	// Without the second it would ask hosts of this machine directly.
	id, err := target.CreateBrowserContext().WithProxyServer(proxy).WithProxyBypassList("<-loopback>").Do(at)
	if err != nil {
		t.Fatal(err)
	}
	window, err := target.CreateTarget("about:blank").WithBrowserContextID(id).WithNewWindow(true).Do(at)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(s.browser, chromedp.WithTargetID(window))
	return ctx, func() {
		cancel()
		_ = target.DisposeBrowserContext(id).Do(at) // it ends with the browser in any case
	}
}

// theme is what makes a page look so, as long as nobody chose another look.
func theme(name string) []*emulation.MediaFeature {
	return []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}}
}

// hear takes what the browser tells. It must not wait.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *page.EventLoadEventFired:
		b.loads++
		close(b.loaded)
		b.loaded = make(chan struct{})
	case *page.EventJavascriptDialogOpening:
		b.dialogs = append(b.dialogs, e.Message)
		b.trouble = append(b.trouble, "a dialog: "+e.Message)
		go func() { _ = chromedp.Run(b.ctx, page.HandleJavaScriptDialog(true)) }()
	case *runtime.EventBindingCalled:
		b.trouble = append(b.trouble, e.Payload)
	case *runtime.EventExceptionThrown:
		b.trouble = append(b.trouble, "an exception: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning || e.Type == runtime.APITypeAssert {
			text, _ := json.Marshal(e.Args)
			// What a page had asked for, or followed, as it was left: htmx calls that
			// an error. What is answered badly, front notes.
			refused := b.front.refused.Load() && strings.Contains(string(text), "Response Status Error Code")
			if !refused && !strings.Contains(string(text), `"[object Event]"`) && !strings.Contains(string(text), `"htmx:sendAbort,`) && !strings.Contains(string(text), `"htmx:afterRequest,`) {
				b.trouble = append(b.trouble, "the console: "+string(text))
			}
		}
	case *log.EventEntryAdded:
		// What the network refuses, front notes.
		if e.Entry.Source != log.SourceNetwork && (e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning) {
			b.trouble = append(b.trouble, fmt.Sprintf("the log: %s: %s", e.Entry.Source, e.Entry.Text))
		}
	}
}

// do runs actions, which end soon.
func (b *tab) do(what string, actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// eval is what an expression comes to; a promise is waited for.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	var out T
	b.do("evaluating", chromedp.Evaluate(expression, &out, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
		return p.WithAwaitPromise(true)
	}))
	return out
}

func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// quote is a string in a script.
func quote(s string) string {
	q, _ := json.Marshal(s)
	return string(q)
}

// until waits until an expression is true of the page.
func (b *tab) until(what, expression string) {
	b.t.Helper()
	b.wait(what, func() bool { return eval[bool](b, "Boolean("+expression+")") })
}

// wait waits until done; a wait without end shows what the page was.
func (b *tab) wait(what string, done func() bool) {
	b.t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(25 * time.Millisecond) {
		if time.Now().After(end) {
			b.fatal("still waiting: %s", what)
		}
	}
}

// fatal ends the test, and says what the page shows.
func (b *tab) fatal(format string, in ...any) {
	b.t.Helper()
	name := strings.NewReplacer("/", "-", " ", "-").Replace(b.t.Name())
	var png []byte
	b.do("a last picture", chromedp.FullScreenshot(&png, 100))
	_ = os.WriteFile(screenshots+"/failed-"+name+".png", png, 0o600)
	b.t.Fatalf("%s\nat %s, which reads:\n%s", fmt.Sprintf(format, in...), b.path(), b.text())
}

// open goes to a path and waits for the page.
func (b *tab) open(path string) {
	b.t.Helper()
	b.landing("opening "+path, chromedp.ActionFunc(func(ctx context.Context) error {
		_, _, why, _, err := page.Navigate(b.base + path).Do(ctx)
		if err == nil && why != "" {
			err = errors.New(why)
		}
		return err
	}))
}

// landing runs an action that leads to another page, and examines that.
func (b *tab) landing(what string, actions ...chromedp.Action) {
	b.t.Helper()
	b.mu.Lock()
	loads := b.loads
	b.mu.Unlock()
	b.do(what, actions...)
	limit := time.After(patience)
	for {
		b.mu.Lock()
		now, next := b.loads, b.loaded
		b.mu.Unlock()
		if now > loads {
			break
		}
		select {
		case <-next:
		case <-limit:
			b.fatal("%s: no page came", what)
		}
	}
	b.check()
}

// path is where the tab is, without its origin.
func (b *tab) path() string {
	b.t.Helper()
	return eval[string](b, "location.pathname + location.search + location.hash")
}

// at asserts where the tab is; the query does not count.
func (b *tab) at(path string) {
	b.t.Helper()
	if got, _, _ := strings.Cut(b.path(), "?"); got != path {
		b.fatal("at %s, want %s", got, path)
	}
}

// text is what the page says, as a person sees it.
func (b *tab) text() string {
	b.t.Helper()
	return eval[string](b, "document.body.innerText")
}

// words are those of the first element that a selector names.
func (b *tab) words(selector string) string {
	b.t.Helper()
	b.until(selector+" is there", "document.querySelector("+quote(selector)+")")
	return strings.TrimSpace(eval[string](b, "document.querySelector("+quote(selector)+").textContent"))
}

// sees waits until the page says something.
func (b *tab) sees(what string) {
	b.t.Helper()
	b.until("the page says "+what, "document.body.innerText.includes("+quote(what)+")")
}

// lacks asserts that the page does not say something.
func (b *tab) lacks(what string) {
	b.t.Helper()
	if strings.Contains(b.text(), what) {
		b.fatal("the page says %q", what)
	}
}

// scripts turns the running of scripts off, or on again.
func (b *tab) scripts(run bool) {
	b.t.Helper()
	b.plain = !run
	b.do("scripts", emulation.SetScriptExecutionDisabled(!run))
}

// key presses a key as a hand does: Tab, Enter, Space, or one that types.
func (b *tab) key(k string, modifiers ...input.Modifier) {
	b.t.Helper()
	b.do("pressing a key", chromedp.KeyEvent(k, chromedp.KeyModifiers(modifiers...)))
}

// forget takes all cookies away.
func (b *tab) forget() {
	b.t.Helper()
	b.do("forgetting", network.ClearBrowserCookies())
}

// evaluateLater is an action of a script that nobody waits for.
func evaluateLater(script string) chromedp.Action { return chromedp.Evaluate(script, nil) }
