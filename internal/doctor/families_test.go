package doctor_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/doctor"
	"github.com/weighbridge/weighbridge/internal/house"
)

// What is on a worker, and where it really takes its roots and its proxy from.
func whoIsHere(t *testing.T, h *house.House, key admin.Key) {
	t.Run("Node that knows no proxy", func(t *testing.T) {
		w := newWorker(t, h, key)
		w.env["NODE_USE_ENV_PROXY"] = "1"
		for version, old := range map[string]bool{"v20.19.4": true, "v22.20.0": true, "v23.11.1": true, "v22.21.0": false, "v24.0.0": false} {
			w.programs["node --version"] = version
			if got := strings.Contains(list(w.examine()), "node_proxy"); got != old {
				t.Errorf("%s: %v", version, got)
			}
		}
	})
	t.Run("Node by the system's store", func(t *testing.T) {
		w := newWorker(t, h, key)
		w.write(w.store, mustRead(t, h.CABundle()))
		delete(w.env, "NODE_EXTRA_CA_CERTS")
		expect(t, w.examine(gatedURL), doctor.Fault, "trust", "node")
		w.env["NODE_OPTIONS"] = "--use-env-proxy --use-system-ca"
		healthy(t, w.examine(gatedURL))
	})
	t.Run("git's own setting of this very proxy", func(t *testing.T) {
		w := newWorker(t, h, key)
		w.write(w.store, mustRead(t, h.CABundle()))
		w.env["NODE_USE_ENV_PROXY"] = "1"
		w.programs["git config --get http.proxy"] = h.ForwardURL(key.Key)
		healthy(t, w.examine(gatedURL))
	})
	t.Run("a Python of its own", func(t *testing.T) {
		const python = "/opt/ComfyUI/venv/bin/python"
		w := newWorker(t, h, key)
		delete(w.programs, "python3 --version")
		delete(w.programs, certifiQuestion)
		w.options.Python = python
		w.programs[python+" --version"] = "Python 3.12.3"
		w.env["SSL_CERT_FILE"] = w.store
		expect(t, w.examine(gatedURL), doctor.Fault, "trust", "openssl")
	})
	t.Run("an OpenSSL of its own", func(t *testing.T) {
		w := newWorker(t, h, key)
		w.write(w.store, mustRead(t, h.CABundle()))
		delete(w.env, "SSL_CERT_FILE")
		conda := filepath.Join(t.TempDir(), "ssl", "cacert.pem")
		question := "python3 -c import ssl; p = ssl.get_default_verify_paths(); print(p.cafile or '-'); print(p.openssl_capath)"
		w.programs[question] = conda + "\n" + filepath.Dir(conda)
		f := expect(t, w.examine(gatedURL), doctor.Fault, "trust", "openssl")
		if !strings.Contains(f.Detail, conda) {
			t.Error(f.Detail)
		}
		// That of Debian 13 has a file as well, and reads the store's directory.
		w.programs[question] = conda + "\n" + filepath.Dir(w.store)
		if r := w.examine(gatedURL); !r.OK {
			t.Error(list(r))
		}
		w.programs[question] = "-\n" + filepath.Dir(w.store)
		if r := w.examine(gatedURL); !r.OK {
			t.Error(list(r))
		}
	})
	t.Run("no Python", func(t *testing.T) {
		w := newWorker(t, h, key)
		delete(w.programs, "python3 --version")
		delete(w.programs, certifiQuestion)
		delete(w.env, "SSL_CERT_FILE")
		if r := w.examine(gatedURL); !r.OK {
			t.Errorf("there is nothing on it that reads SSL_CERT_FILE:\n%s", list(r))
		}
	})
}
