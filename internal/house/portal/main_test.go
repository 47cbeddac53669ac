//go:build realclients

package portal

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/weighbridge/weighbridge/internal/house/ready"
)

const (
	root = "../../.."
	// screenshots is where pages are kept to be looked at; git ignores it.
	screenshots = root + "/.cache/screenshots"
)

// patience bounds one step of a browser. It is far beyond what any needs.
const patience = 3 * time.Minute

var update = flag.Bool("update", false, "make the screenshots of the README anew")

// suite is what the tests share: one browser, and what was seen of its pages.
type suite struct {
	browser context.Context
	axe     string // the source of axe-core

	mu    sync.Mutex
	seen  map[string]bool // the kinds of elements that were examined
	shown map[string]bool // the shapes of paths that there is a picture of
	shot  map[string]int  // how many pictures have a name
}

var all *suite

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the browser cannot be made ready:", err)
		code = 1
	}
	os.Exit(code)
}

// chromium is the build that costs least of those that setup.sh finds or
// installs.
func chromium() (string, error) {
	if path, err := exec.LookPath("chromium-headless-shell"); err == nil {
		return path, nil
	}
	return exec.LookPath("chromium")
}

// inAGroup makes a program end with all that it started: Debian's chromium is a
// shell script, and who ends that ends nothing but the shell.
func inAGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

func run(m *testing.M) (int, error) {
	dir, _, err := ready.Suite("portal")
	if err != nil {
		return 0, err
	}
	axe, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		return 0, err
	}
	_ = os.RemoveAll(screenshots)
	if err := os.MkdirAll(screenshots, 0o750); err != nil {
		return 0, err
	}
	program, err := chromium()
	if err != nil {
		return 0, err
	}
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(program), chromedp.WSURLReadTimeout(patience)}
	for _, name := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "no-default-browser-check", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "disable-breakpad", "disable-extensions", "disable-hang-monitor",
		"hide-scrollbars",
		// Tabs of several tests are open at once, and each is to be as awake as
		// one that somebody looks at.
		"disable-background-timer-throttling", "disable-backgrounding-occluded-windows", "disable-renderer-backgrounding",
	} {
		options = append(options, chromedp.Flag(name, true))
	}
	options = append(options, chromedp.Flag("lang", "en-US"), chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("password-store", "basic"),
		// It would ask its maker what to fill into forms, and for models.
		chromedp.Flag("disable-features", "AutofillServerCommunication,SpareRendererForSitePerProcess,OptimizationHints,OptimizationGuideModelDownloading,Translate,MediaRouter"))
	options = append(options, chromedp.ModifyCmdFunc(inAGroup))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...) // in a directory of its own, which it removes
	defer stop()
	// A newer browser says more than the library knows, and it tells of that.
	quiet := func(string, ...any) {}
	browser, cancel := chromedp.NewContext(allocator, chromedp.WithLogf(quiet), chromedp.WithErrorf(quiet))
	defer cancel()
	if err := chromedp.Run(browser); err != nil {
		return 0, err
	}
	all = &suite{browser: browser, axe: string(axe), seen: map[string]bool{}, shown: map[string]bool{}, shot: map[string]int{}}
	return m.Run(), nil
}
