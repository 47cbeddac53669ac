package doctor_test

import (
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/doctor"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/trial"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// reverseOnly is a worker that knows nothing but its endpoint: no proxy, no
// bundle, and public roots alone in every store.
func reverseOnly(t testing.TB, h *house.House, key admin.Key) *worker {
	t.Helper()
	w := newWorker(t, h, key)
	w.env = map[string]string{}
	for _, v := range h.WorkerEnv(workerenv.Reverse, key.Key) {
		if strings.HasPrefix(v.Name, "HF_") {
			w.env[v.Name] = v.Value
		}
	}
	w.programs[certifiQuestion] = w.store
	return w
}

// lead is what preflight would ask by.
func (w *worker) lead() (trial.Options, error) {
	o := doctor.Options{Placeholder: w.options.Placeholder}
	for name, value := range w.env {
		o.Environ = append(o.Environ, name+"="+value)
	}
	return doctor.Lead(o)
}

// Reverse mode without TLS needs no root, no bundle and no variable of a
// proxy's, and a worker that has none of them is well.
func reverseAlone(t *testing.T, h *house.House, key admin.Key) {
	for _, urls := range [][]string{{gatedURL}, nil} {
		w := reverseOnly(t, h, key)
		w.programs["git config --get http.proxy"] = "http://other:3128"
		w.env["COMFYUI_MANAGER_ARIA2_SERVER"] = "http://127.0.0.1:6800/jsonrpc"
		r := w.examine(urls...)
		healthy(t, r)
		if !r.OK || r.Proxy != h.Bridge.ProxyURL() {
			t.Error(list(r))
		}
	}
}

// What ComfyUI-Manager is given: the URL key stands in the endpoint, and is
// what is tried; it is printed nowhere.
func endpointWithAURLKey(t *testing.T, h *house.House, key admin.Key) {
	w := reverseOnly(t, h, key)
	w.env = map[string]string{"HF_ENDPOINT": h.URLKeyURL(key.URLKey, "https://huggingface.co")}
	r := w.examine(gatedURL)
	healthy(t, r)
	if f := expect(t, r, doctor.Fine, "download", gatedURL); !strings.Contains(f.Detail, `credential "hub"`) {
		t.Error(f.Detail)
	}
	if strings.Contains(list(r), key.URLKey) {
		t.Error("the URL key is printed")
	}
	healthy(t, w.examine())
	way, err := w.lead()
	if err != nil {
		t.Fatal(err)
	}
	c := trial.New(way)
	defer c.Close()
	if got := c.Get(t.Context(), gatedURL); !got.OK() || got.Credential != "hub" {
		t.Errorf("preflight would say %s: %s", got.Code, got.Detail)
	}

	for name, wrong := range map[string]string{"a key that nobody knows": "wbu_" + strings.Repeat("q", 43), "an API key": key.Key} {
		w.env["HF_ENDPOINT"] = h.URLKeyURL(wrong, "https://huggingface.co")
		r := w.examine(gatedURL)
		f := expect(t, r, doctor.Fault, map[bool]string{true: "key_malformed", false: "key_invalid"}[wrong == key.Key], "")
		if want := "export HF_ENDPOINT='" + h.Bridge.ProxyURL() + "/.weighbridge/k/URL-KEY/huggingface.co'"; !strings.HasPrefix(f.Fix, want) {
			t.Errorf("%s: %s", name, f.Fix)
		}
		if strings.Contains(list(r), wrong) {
			t.Errorf("%s: it is printed", name)
		}
	}
}
