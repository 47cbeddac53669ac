package doctor_test

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/doctor"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/signer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hidden stands in the query of what is tried: doctor prints no query.
const hidden = "xcanaryQueryThatNobodyMayEverSeePrinted"

const gatedURL = "https://" + hub.Host + "/" + hub.SampleGated + "/resolve/main/" + hub.SampleWeights

// certifiQuestion is how Python is asked for certifi's file.
const certifiQuestion = "python3 -c import certifi; print(certifi.where())"

// worker is a worker of a house, with the environment that `weighbridge env`
// gives it.
type worker struct {
	t     testing.TB
	h     *house.House
	key   admin.Key
	env   map[string]string
	store string // plays the operating system's store: public roots alone
	// programs are those of the worker, with what they print.
	programs map[string]string
	options  doctor.Options
}

func newWorker(t testing.TB, h *house.House, key admin.Key) *worker {
	t.Helper()
	w := &worker{t: t, h: h, key: key, env: map[string]string{}, store: filepath.Join(t.TempDir(), "store.pem"), programs: map[string]string{}}
	for _, v := range h.WorkerEnv(workerenv.Forward, key.Key) {
		w.env[v.Name] = v.Value
	}
	w.write(w.store, h.Server.RootPEM())
	for _, name := range []string{"python3", "curl", "git", "node", "aws", "pip"} {
		w.programs[name+" --version"] = "1.0"
	}
	w.programs["node --version"] = "v24.1.0"
	w.programs[certifiQuestion] = h.CABundle()
	return w
}

func (w *worker) write(path string, text []byte) {
	w.t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// examine runs the doctor, and searches what it says for every secret.
func (w *worker) examine(urls ...string) doctor.Report {
	w.t.Helper()
	o := w.options
	for name, value := range w.env {
		o.Environ = append(o.Environ, name+"="+value)
	}
	for _, u := range urls {
		o.URLs = append(o.URLs, u+"?download=true&x="+hidden)
	}
	o.Placeholder, o.StorePaths = signer.PlaceholderToken, []string{w.store}
	o.Run = func(_ context.Context, name string, args ...string) (string, error) {
		out, ok := w.programs[strings.Join(append([]string{name}, args...), " ")]
		if !ok {
			return "", exec.ErrNotFound
		}
		return out, nil
	}
	r := doctor.Examine(w.t.Context(), o)
	text, err := json.Marshal(r)
	if err != nil {
		w.t.Fatal(err)
	}
	secrets := []*house.Canary{w.h.Token, house.CanaryOf(hidden)}
	if w.key.Key != "" {
		secrets = append(secrets, house.CanaryOf(w.key.Key))
	}
	for _, c := range secrets {
		for _, hit := range c.Search("the report", text) {
			w.t.Errorf("leak: %s", hit)
		}
	}
	return r
}

// expect wants a finding of that kind, and returns it.
func expect(t testing.TB, r doctor.Report, s doctor.Severity, check, about string) doctor.Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.Severity == s && f.Check == check && (about == "" || f.About == about) {
			if s != doctor.Fine && f.Fix == "" {
				t.Errorf("%s: nothing helps: %s", check, f.Detail)
			}
			if r.OK == (s == doctor.Fault) {
				t.Errorf("%s is a %s, and OK is %v", check, s, r.OK)
			}
			return f
		}
	}
	t.Fatalf("no %s %s %s in:\n%s", s, check, about, list(r))
	return doctor.Finding{}
}

// healthy wants no fault and no warning.
func healthy(t testing.TB, r doctor.Report) {
	t.Helper()
	for _, f := range r.Findings {
		if f.Severity != doctor.Fine {
			t.Errorf("%s %s %s: %s", f.Severity, f.Check, f.About, f.Detail)
		}
	}
}

func list(r doctor.Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		b.WriteString(string(f.Severity) + " " + f.Check + " " + f.About + ": " + f.Detail + "\n\t" + f.Fix + "\n")
	}
	return b.String()
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
