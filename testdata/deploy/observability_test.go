package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// promtool runs the program of that name, which setup.sh has, where the alerts
// are.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	tool, err := filepath.Abs(root + "/.cache/promtool/promtool")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tool, args...)
	cmd.Dir = root + "/deploy/observability"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

func TestAlerts(t *testing.T) {
	promtool(t, "check", "rules", "alerts.yaml")
	promtool(t, "test", "rules", "alerts_test.yaml")
	alerts, page := string(read(t, root+"/deploy/observability/alerts.yaml")), string(read(t, root+"/docs/observability.md"))
	for _, m := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(alerts, -1) {
		if !strings.Contains(page, "\n### "+m[1]+"\n") {
			t.Errorf("docs/observability.md does not say what to do about %s", m[1])
		}
		if !strings.Contains(alerts, "docs/observability.md#"+strings.ToLower(m[1])) {
			t.Errorf("%s does not lead there", m[1])
		}
	}
}

// Every expression of the dashboard is one that Prometheus reads.
func TestDashboard(t *testing.T) {
	var d struct {
		Panels []struct {
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read(t, root+"/deploy/observability/dashboard.json"), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) < 10 {
		t.Fatalf("%d panels", len(d.Panels))
	}
	var rules strings.Builder
	rules.WriteString("groups: [{name: dashboard, rules: [")
	for _, p := range d.Panels {
		if p.GridPos.X+p.GridPos.W > 24 || len(p.Targets) == 0 {
			t.Errorf("%s: %+v", p.Title, p)
		}
		for _, target := range p.Targets {
			expr, err := json.Marshal(strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
			if err != nil {
				t.Fatal(err)
			}
			rules.WriteString("{record: 'panel', expr: " + string(expr) + "},")
		}
	}
	rules.WriteString("]}]\n")
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", "--lint=none", file)
}
