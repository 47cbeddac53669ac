package workerenv_test

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

func TestVariablesForward(t *testing.T) {
	key := auth.NewAPIKey()
	vars, err := workerenv.Variables(workerenv.Options{
		Mode: workerenv.Forward, ProxyURL: "http://127.0.0.1:8080", Key: key, Bundle: "/data/ca-bundle.pem",
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range vars {
		got[v.Name] = v.Value
		if strings.Contains(v.Value, key.Reveal()) != v.Secret {
			t.Errorf("%s: Secret is %v", v.Name, v.Secret)
		}
	}
	want := "http://weighbridge:" + key.Reveal() + "@127.0.0.1:8080"
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		if got[name] != want {
			t.Errorf("%s is not the proxy with the key", name)
		}
	}
	for _, name := range []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"} {
		if got[name] != "/data/ca-bundle.pem" {
			t.Errorf("%s = %q", name, got[name])
		}
	}
}

// Over a TLS listener git has a variable for the proxy's certificate, and what
// has none is said; over a plain one there is nothing to say.
func TestVariablesOfATLSListener(t *testing.T) {
	for _, c := range []struct {
		url  string
		mode workerenv.Mode
		tls  bool
	}{
		{"https://proxy.example:8443", workerenv.Forward, true},
		{"https://proxy.example:8443", workerenv.Reverse, false},
		{"http://proxy.example:8080", workerenv.Forward, false},
		{"http://proxy.example:8080", workerenv.Reverse, false},
	} {
		o := workerenv.Options{Mode: c.mode, ProxyURL: c.url, Key: auth.NewAPIKey(), Bundle: "/b.pem"}
		vars, err := workerenv.Variables(o)
		if err != nil {
			t.Fatal(err)
		}
		git := slices.ContainsFunc(vars, func(v workerenv.Var) bool { return v.Name == "GIT_PROXY_SSL_CAINFO" && v.Value == "/b.pem" })
		said := strings.Join(workerenv.Warnings(o), "\n")
		if git != c.tls || (said != "") != c.tls || c.tls && (!strings.Contains(said, "--proxy-cacert '/b.pem'") || !strings.Contains(said, "--mode reverse")) {
			t.Errorf("%s %s: git %v, said %q", c.mode, c.url, git, said)
		}
		if strings.Contains(said, o.Key.Reveal()) {
			t.Error("a warning holds the key")
		}
	}
}

func TestVariablesReverseSpeaksHub(t *testing.T) {
	key := auth.NewAPIKey()
	vars, err := workerenv.Variables(workerenv.Options{Mode: workerenv.Reverse, ProxyURL: "http://127.0.0.1:8080/", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if vars[0].Value != "http://127.0.0.1:8080/huggingface.co" {
		t.Errorf("HF_ENDPOINT = %q", vars[0].Value)
	}
	mine, _ := auth.HashAPIKey(key.Reveal())
	alias, ok := auth.HashAPIKey(vars[1].Value)
	if !ok || alias != mine || !strings.HasPrefix(vars[1].Value, "hf_") {
		t.Error("HF_TOKEN is not the same key in its hf_ form")
	}
}

// A sidecar's worker holds no key, and no variable has one.
func TestVariablesWithoutAKey(t *testing.T) {
	for _, mode := range []workerenv.Mode{workerenv.Forward, workerenv.Reverse} {
		vars, err := workerenv.Variables(workerenv.Options{
			Mode: mode, ProxyURL: "http://127.0.0.1:8080", NoKey: true, Placeholder: "hf_placeholder", Bundle: "/b.pem", Direct: []string{".svc"},
		})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, v := range vars {
			got[v.Name] = v.Value
			if v.Secret || strings.Contains(v.Value, "@") {
				t.Errorf("%s: %s says that it holds a key", mode, v.Name)
			}
		}
		if got["HF_TOKEN"] != "hf_placeholder" {
			t.Errorf("%s: HF_TOKEN = %q", mode, got["HF_TOKEN"])
		}
		if mode == workerenv.Forward && (got["HTTPS_PROXY"] != "http://127.0.0.1:8080" || got["NO_PROXY"] != "localhost,127.0.0.1,::1,.svc") {
			t.Errorf("%v", got)
		}
	}
}

// The token of a pod's ServiceAccount stands for an API key, in the form in
// which it is, in both modes.
func TestVariablesOfAServiceAccount(t *testing.T) {
	token := "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln-_A"
	for mode, want := range map[workerenv.Mode][2]string{
		workerenv.Forward: {"HTTPS_PROXY", "http://weighbridge:" + token + "@127.0.0.1:8080"}, workerenv.Reverse: {"HF_TOKEN", token},
	} {
		vars, err := workerenv.Variables(workerenv.Options{Mode: mode, ProxyURL: "http://127.0.0.1:8080", Key: auth.NewSecret(token)})
		if err != nil || !slices.ContainsFunc(vars, func(v workerenv.Var) bool { return v.Name == want[0] && v.Value == want[1] && v.Secret }) {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

// The proxy's variable always names a port, because clients do not agree on the
// one that is meant; an endpoint keeps the path that the listener is below.
func TestVariablesOfWhatIsInFront(t *testing.T) {
	for url, want := range map[string][2]string{
		"http://weights.example":           {"http://weights.example:80", "http://weights.example/huggingface.co"},
		"https://weights.example/":         {"https://weights.example:443", "https://weights.example/huggingface.co"},
		"https://[2001:db8::1]":            {"https://[2001:db8::1]:443", "https://[2001:db8::1]/huggingface.co"},
		"https://weights.example:8443/wb/": {"https://weights.example:8443", "https://weights.example:8443/wb/huggingface.co"},
	} {
		for i, mode := range []workerenv.Mode{workerenv.Forward, workerenv.Reverse} {
			vars, err := workerenv.Variables(workerenv.Options{Mode: mode, ProxyURL: url, NoKey: true})
			if err != nil || vars[0].Value != want[i] {
				t.Errorf("%s, %s: %v, %v", url, mode, vars, err)
			}
		}
	}
}

func TestVariablesRefuse(t *testing.T) {
	for name, o := range map[string]workerenv.Options{
		"no key":     {Mode: workerenv.Forward, ProxyURL: "http://127.0.0.1:8080"},
		"hub token":  {Mode: workerenv.Forward, ProxyURL: "http://127.0.0.1:8080", Key: auth.NewSecret("hf_short")},
		"no scheme":  {Mode: workerenv.Forward, ProxyURL: "127.0.0.1:8080", Key: auth.NewAPIKey()},
		"other mode": {Mode: "sideways", ProxyURL: "http://127.0.0.1:8080", Key: auth.NewAPIKey()},
	} {
		if _, err := workerenv.Variables(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// What Render writes for sh means the same to a real shell, whatever the value.
func TestRenderForARealShell(t *testing.T) {
	hostile := `it's $(echo bad) "quoted" \ back`
	var b bytes.Buffer
	if err := workerenv.Render(&b, "sh", []workerenv.Var{{Name: "X", Value: hostile, Why: "a reason"}}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", b.String()+"\nprintf %s \"$X\"")
	out, err := cmd.Output()
	if err != nil || string(out) != hostile {
		t.Fatalf("sh says %q, %v", out, err)
	}
	for _, shell := range workerenv.Shells() {
		if err := workerenv.Render(&b, shell, []workerenv.Var{{Name: "X", Value: "two\nlines"}}); err == nil {
			t.Errorf("%s: a line break was written", shell)
		}
	}
	if err := workerenv.Render(&b, "tcsh", []workerenv.Var{{Name: "X", Value: "x"}}); err == nil || !strings.Contains(err.Error(), "powershell") {
		t.Errorf("unknown shell: %v", err)
	}
}

// What Render writes for python means the same to a real Python.
func TestRenderForARealPython(t *testing.T) {
	hostile := "it's \"quoted\" \\ {x} %s é \U0001f600"
	var b bytes.Buffer
	if err := workerenv.Render(&b, "python", []workerenv.Var{{Name: "X", Value: hostile, Why: "a reason"}}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "-c", "import os\n"+b.String()+"import sys; sys.stdout.buffer.write(os.environ['X'].encode())")
	out, err := cmd.Output()
	if err != nil || string(out) != hostile {
		t.Fatalf("python says %q, %v", out, err)
	}
}

// systemd expands specifiers and unescapes what is quoted (systemd.syntax(7)).
func TestRenderForSystemd(t *testing.T) {
	var b bytes.Buffer
	if err := workerenv.Render(&b, "systemd", []workerenv.Var{{Name: "X", Value: `a"b\c%d$e f`}}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), `Environment="X=a\"b\\c%%d$e f"`+"\n"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

// A URL key stands in the endpoint, and no other key beside it.
func TestVariablesWithAURLKey(t *testing.T) {
	key := auth.NewURLKey()
	vars, err := workerenv.Variables(workerenv.Options{Mode: workerenv.Reverse, ProxyURL: "http://127.0.0.1:8080", Key: auth.NewAPIKey(), URLKey: key})
	if err != nil || len(vars) != 1 || !vars[0].Secret || vars[0].Value != "http://127.0.0.1:8080/.weighbridge/k/"+key.Reveal()+"/huggingface.co" {
		t.Errorf("%v %+v", err, vars)
	}
}

func TestS3Variables(t *testing.T) {
	o := workerenv.S3Options{ProxyURL: "https://proxy.example:8443/", AccessKeyID: auth.NewS3AccessKeyID(), Secret: auth.NewS3Secret()}
	for name, of := range map[string]func(workerenv.S3Options) ([]workerenv.Var, error){"aws": workerenv.S3Variables, "rclone": workerenv.RcloneVariables} {
		vars, err := of(o)
		if err != nil {
			t.Fatal(err)
		}
		endpoints := 0
		for _, v := range vars {
			if (v.Value == o.Secret.Reveal()) != v.Secret {
				t.Errorf("%s: %s: Secret is %v", name, v.Name, v.Secret)
			}
			if strings.Contains(v.Name, "ENDPOINT") {
				if endpoints++; v.Value != "https://proxy.example:8443" {
					t.Errorf("%s = %s", v.Name, v.Value)
				}
			}
		}
		if endpoints == 0 {
			t.Errorf("%s: no endpoint", name)
		}
		if _, err := of(workerenv.S3Options{ProxyURL: "unix:/x", AccessKeyID: o.AccessKeyID, Secret: o.Secret}); err == nil {
			t.Errorf("%s: a socket is an endpoint", name)
		}
		if _, err := of(workerenv.S3Options{ProxyURL: o.ProxyURL, AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Secret: o.Secret}); err == nil {
			t.Errorf("%s: a key of AWS's is taken", name)
		}
	}
}
