package registry_test

import (
	"archive/zip"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/house/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) (*origin.Server, func(method, url string, header ...string) (*http.Response, string)) {
	t.Helper()
	s, err := origin.Listen(origin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client := s.Client()
	t.Cleanup(func() {
		client.CloseIdleConnections()
		_ = s.Close()
	})
	return s, func(method, url string, header ...string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("User-Agent", "test/1")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer, string(body)
	}
}

func TestGeneric(t *testing.T) {
	s, do := start(t)
	for host, h := range map[string]http.Handler{
		"bearer.example.com": registry.Bearer("tok", origin.Text("weights")),
		"basic.example.com":  registry.Basic("me", "pw", origin.Text("weights")),
		"header.example.com": registry.Header("X-Key", "val", origin.Text("weights")),
	} {
		if err := s.Handle(host, h); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		host, name, value string
		status            int
	}{
		{"bearer", "Authorization", "Bearer tok", 200},
		{"bearer", "Authorization", "Bearer other", 401},
		{"basic", "Authorization", "Basic bWU6cHc=", 200},
		{"basic", "Authorization", "Bearer tok", 401},
		{"header", "X-Key", "val", 200},
		{"header", "X-Other", "val", 401},
	} {
		answer, body := do("GET", "https://"+c.host+".example.com/model", c.name, c.value)
		if answer.StatusCode != c.status || (c.status == 200 && body != "weights") {
			t.Errorf("%+v: %s %s", c, answer.Status, body)
		}
	}
}

func TestEchoReflects(t *testing.T) {
	s, do := start(t)
	if err := s.Handle("echo.example.com", registry.Echo()); err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{"json", "pieces", "binary", "error", "header", "trailer"} {
		answer, body := do("GET", "https://echo.example.com/"+way, "Authorization", "Bearer seen-again")
		text := body
		for _, fields := range []http.Header{answer.Header, answer.Trailer} {
			for _, values := range fields {
				text += strings.Join(values, " ")
			}
		}
		if !strings.Contains(text, "seen-again") {
			t.Errorf("%s reflects nothing: %s", way, text)
		}
	}
	if answer, _ := do("GET", "https://echo.example.com/json", "Range", "bytes=0-3"); answer.StatusCode != 206 {
		t.Errorf("a range: %s", answer.Status)
	}
}

func TestIndex(t *testing.T) {
	s, do := start(t)
	wheel := registry.Wheel{Name: "some-package", Version: "1.2"}
	if err := s.Handle("index.example.com", registry.Index(wheel)); err != nil {
		t.Fatal(err)
	}
	_, page := do("GET", "https://index.example.com/simple/some-package/")
	if !strings.Contains(page, `href="/files/some_package-1.2-py3-none-any.whl#sha256=`+origin.SHA256(wheel.Content())) {
		t.Fatal(page)
	}
	_, body := do("GET", "https://index.example.com/files/some_package-1.2-py3-none-any.whl")
	if z, err := zip.NewReader(strings.NewReader(body), int64(len(body))); err != nil || len(z.File) != 4 {
		t.Error("not a wheel:", err)
	}
	if answer, _ := do("GET", "https://index.example.com/simple/other/"); answer.StatusCode != 404 {
		t.Error(answer.Status)
	}
}

func TestCivitai(t *testing.T) {
	s, do := start(t)
	if err := registry.MountCivitai(s, "key", origin.Text("weights"), origin.NewSigner(nil)); err != nil {
		t.Fatal(err)
	}
	for id, host := range map[string]string{"2": registry.CivitaiR2Host, "3": registry.CivitaiB2Host} {
		answer, _ := do("GET", "https://civitai.com/api/download/models/"+id, "Authorization", "Bearer key")
		to := answer.Header.Get("Location")
		if answer.StatusCode != 307 || !strings.HasPrefix(to, "https://"+host+"/") {
			t.Fatalf("%s: %s %s", id, answer.Status, to)
		}
		if answer, body := do("GET", to); answer.StatusCode != 200 || body != "weights" {
			t.Errorf("%s: %s", host, answer.Status)
		}
		if answer, _ := do("GET", to, "Authorization", "Bearer key"); answer.StatusCode != 400 {
			t.Errorf("%s with the key: %s", host, answer.Status)
		}
	}
	for what, c := range map[string]struct {
		method, path, name, value string
		status                    int
	}{
		"no key":         {"GET", "/api/download/models/2", "X-A", "b", 401},
		"key in query":   {"GET", "/api/download/models/2?token=key", "X-A", "b", 307},
		"HEAD":           {"HEAD", "/api/download/models/2", "Authorization", "Bearer key", 401},
		"urllib":         {"GET", "/api/download/models/2", "User-Agent", "Python-urllib/3.11", 403},
		"login":          {"GET", "/api/download/models/0", "Authorization", "Bearer key", 307},
		"the page":       {"GET", "/login?x=1", "X-A", "b", 200},
		"a version":      {"GET", "/api/v1/model-versions/2", "X-A", "b", 200},
		"something else": {"GET", "/models/1", "X-A", "b", 404},
	} {
		if answer, _ := do(c.method, "https://civitai.com"+c.path, c.name, c.value); answer.StatusCode != c.status {
			t.Errorf("%s: %s", what, answer.Status)
		}
	}
}

func TestComfy(t *testing.T) {
	s, do := start(t)
	if err := registry.MountComfy(s, "key", origin.Text("picture"), origin.NewSigner(nil)); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{registry.ComfyCloudHost, registry.ComfyAPIHost} {
		if answer, _ := do("GET", "https://"+host+"/api/prompt"); answer.StatusCode != 401 {
			t.Errorf("%s without a key: %s", host, answer.Status)
		}
		if answer, _ := do("GET", "https://"+host+"/api/prompt", "X-API-Key", "key"); answer.StatusCode != 200 {
			t.Errorf("%s: %s", host, answer.Status)
		}
	}
	answer, _ := do("GET", "https://cloud.comfy.org/api/view?filename=1.png", "X-API-Key", "key")
	to := answer.Header.Get("Location")
	if answer.StatusCode != 302 {
		t.Fatal(answer.Status)
	}
	if answer, body := do("GET", to); answer.StatusCode != 200 || body != "picture" {
		t.Errorf("the store: %s", answer.Status)
	}
	if answer, _ := do("GET", to, "X-API-Key", "key"); answer.StatusCode != 400 {
		t.Errorf("the store with the key: %s", answer.Status)
	}
}
