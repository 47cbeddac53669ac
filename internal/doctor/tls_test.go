package doctor_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/doctor"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// Over TLS the lines lead to a listener with TLS, the families of clients have
// to trust the listener as well, and what no variable does is said.
func TestTLSListener(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{Configure: func(c *config.Config) { c.TLS.OwnCA = true }})
	key := h.HubWorker("hub")
	at := h.Bridge.ProxyURL()
	host := strings.TrimPrefix(at, "https://")
	revoked := h.AddKey(admin.NewKey{Name: "revoked", Credentials: []string{"hub"}})
	h.Call(http.MethodPost, "/api/v1/keys/revoked/revoke", nil, nil)
	t.Run("a revoked key", func(t *testing.T) {
		f := expect(t, newWorker(t, h, revoked).examine(gatedURL), doctor.Fault, "key_revoked", "forward")
		if !strings.Contains(f.Fix, `export HTTPS_PROXY="https://weighbridge:$WEIGHBRIDGE_KEY@`+host+`"`) {
			t.Error(f.Fix)
		}
	})
	t.Run("no key", func(t *testing.T) {
		w := newWorker(t, h, key)
		w.env["HTTPS_PROXY"], w.env["https_proxy"] = at, at
		if f := expect(t, w.examine(gatedURL), doctor.Fault, "key_missing", "forward"); !strings.Contains(f.Fix, `"https://weighbridge:`) {
			t.Error(f.Fix)
		}
	})
	t.Run("a cut key", func(t *testing.T) {
		w := newWorker(t, h, key)
		cut := strings.Replace(h.ForwardURL(key.Key), key.Key, key.Key[:20], 1)
		w.env["HTTPS_PROXY"], w.env["https_proxy"] = cut, cut
		if f := expect(t, w.examine(gatedURL), doctor.Fault, "key_malformed", "HTTPS_PROXY"); !strings.Contains(f.Fix, `"https://weighbridge:`) {
			t.Error(f.Fix)
		}
	})
	t.Run("no proxy but that of the flag", func(t *testing.T) {
		w := newWorker(t, h, key)
		w.env["HTTPS_PROXY"], w.env["https_proxy"] = "", ""
		w.options.Proxy = at
		if f := expect(t, w.examine(gatedURL), doctor.Fault, "proxy_missing", ""); !strings.Contains(f.Fix, `"https://weighbridge:`) {
			t.Error(f.Fix)
		}
	})
	t.Run("all is well", func(t *testing.T) {
		w := newWorker(t, h, key)
		w.write(w.store, mustRead(t, h.CABundle()))
		// What no variable does is said of the three kinds that it is true of.
		r := w.examine(gatedURL)
		expect(t, r, doctor.Fine, "download", gatedURL)
		expect(t, r, doctor.Warning, "proxy_tls", "openssl")
		delete(w.env, "GIT_PROXY_SSL_CAINFO")
		w.write(w.store, h.Server.RootPEM())
		r = w.examine(gatedURL)
		if f := expect(t, r, doctor.Warning, "proxy_tls", "git"); f.Fix != "export GIT_PROXY_SSL_CAINFO='"+h.CABundle()+"'" {
			t.Error(f.Fix)
		}
		if f := expect(t, r, doctor.Warning, "proxy_tls", "curl"); f.Fix != `echo 'proxy-cacert = "`+h.CABundle()+`"' >> ~/.curlrc` {
			t.Error(f.Fix)
		}
		w.env["HOME"] = t.TempDir()
		w.write(filepath.Join(w.env["HOME"], ".curlrc"), []byte("silent\nproxy-cacert = \"x\"\n"))
		w.programs["git config --get http.proxySSLCAInfo"] = h.CABundle()
		for _, f := range w.examine(gatedURL).Findings {
			if f.Check == "proxy_tls" && f.About != "openssl" {
				t.Errorf("%s: %s", f.About, f.Detail)
			}
		}
	})
	t.Run("the root is known where TLS vouches for it", func(t *testing.T) {
		w := newWorker(t, h, key)
		w.programs[certifiQuestion] = w.store
		r := w.examine(gatedURL)
		for _, about := range []string{"certifi", "system"} {
			f := expect(t, r, doctor.Warning, "trust", about)
			if !strings.Contains(f.Fix, "env SSL_CERT_FILE='"+h.CABundle()+"' weighbridge ca install --from "+at) || strings.Contains(f.Fix, "FINGERPRINT") {
				t.Error(f.Fix)
			}
		}
	})
	t.Run("nobody knows the root", func(t *testing.T) {
		w := newWorker(t, h, key)
		w.env = map[string]string{"HTTPS_PROXY": h.ForwardURL(key.Key), "https_proxy": h.ForwardURL(key.Key)}
		// Where certifi's file has it, some clients get through.
		if r := w.examine(gatedURL); !strings.Contains(list(r), "ok download") {
			t.Error(list(r))
		}
		w.programs[certifiQuestion] = w.store
		if f := expect(t, w.examine(gatedURL), doctor.Fault, "proxy_certificate", at); !strings.HasPrefix(f.Fix, "sudo weighbridge ca install --from root.pem") {
			t.Error(f.Fix)
		}
	})
	t.Run("reverse mode", func(t *testing.T) {
		w := newWorker(t, h, key)
		w.env = map[string]string{}
		for _, v := range h.WorkerEnv(workerenv.Reverse, key.Key) {
			w.env[v.Name] = v.Value
		}
		w.write(w.store, mustRead(t, h.CABundle()))
		healthy(t, w.examine(gatedURL))
		// The listener's own root is enough: there is no CDN to go to.
		alone := filepath.Join(t.TempDir(), "ours.pem")
		w.write(alone, ownRoot(t, h))
		w.env["SSL_CERT_FILE"] = alone
		healthy(t, w.examine(gatedURL))
		w.env["SSL_CERT_FILE"] = filepath.Join(t.TempDir(), "public.pem")
		w.write(w.env["SSL_CERT_FILE"], h.Server.RootPEM())
		expect(t, w.examine(gatedURL), doctor.Fault, "trust", "httpx")
	})
	t.Run("plain HTTP", func(t *testing.T) {
		w := newWorker(t, h, key)
		plain := strings.Replace(h.ForwardURL(key.Key), "https://", "http://", 1)
		w.env["HTTPS_PROXY"], w.env["https_proxy"] = plain, plain
		if f := expect(t, w.examine(gatedURL), doctor.Fault, "proxy_scheme", "http://"+host); !strings.HasPrefix(f.Fix, `export HTTPS_PROXY="https://weighbridge:`) {
			t.Error(f.Fix)
		}
	})
}

// A listener with a certificate of a public authority asks reverse mode for
// nothing but public roots, whatever root weighbridge has.
func TestPublicListener(t *testing.T) {
	t.Parallel()
	public, err := origin.NewAuthority(nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := public.Leaf("127.0.0.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	var chain []byte
	for _, der := range leaf.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err = errors.Join(err, os.WriteFile(certFile, chain, 0o600), os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)); err != nil {
		t.Fatal(err)
	}
	h := house.New(t, house.Options{Configure: func(c *config.Config) { c.TLS.CertFile, c.TLS.KeyFile = certFile, keyFile }})
	key := h.HubWorker("hub")
	w := reverseOnly(t, h, key)
	w.write(w.store, append(h.Server.RootPEM(), public.RootPEM()...))
	delete(w.programs, "node --version") // it brings the real public roots along
	delete(w.programs, "aws --version")
	healthy(t, w.examine(gatedURL))

	// By another name than the certificate has: the line has that one.
	w.env["HF_ENDPOINT"] = strings.Replace(w.env["HF_ENDPOINT"], "127.0.0.1", "localhost", 1)
	at := strings.TrimSuffix(w.env["HF_ENDPOINT"], "/huggingface.co")
	if f := expect(t, w.examine(gatedURL), doctor.Fault, "proxy_certificate", at); f.Fix != "export HF_ENDPOINT='"+h.Bridge.ProxyURL()+"/huggingface.co'" {
		t.Errorf("%s\n\t%s", f.Detail, f.Fix)
	}
	w = reverseOnly(t, h, key)
	bundle := filepath.Join(t.TempDir(), "authority.pem")
	w.write(bundle, public.RootPEM())
	w.env["AWS_CA_BUNDLE"] = bundle
	r := w.examine(gatedURL)
	f := expect(t, r, doctor.Fault, "trust", "httpx")
	if !strings.Contains(f.Detail, "the authority of the listener's own certificate") {
		t.Error(f.Detail)
	}
	if !strings.Contains(list(r), "\tsudo weighbridge ca install --from AUTHORITY.pem") {
		t.Error(list(r))
	}
}

// A certificate that has ended, and an alert in place of one, are said as such.
func TestListenersWithoutACertificate(t *testing.T) {
	t.Parallel()
	public, err := origin.NewAuthority(nil)
	if err != nil {
		t.Fatal(err)
	}
	ended, err := public.Leaf("127.0.0.1", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })
	if err != nil {
		t.Fatal(err)
	}
	for check, c := range map[string]struct {
		cert *tls.Certificate
		says string
	}{"clock": {ended, "renewed"}, "proxy_certificate": {nil, "public_url"}} {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c.cert == nil {
				return nil, errors.New("there is none")
			}
			return c.cert, nil
		}}
		s.StartTLS()
		defer s.Close()
		s.TLS.Certificates = nil
		store := filepath.Join(t.TempDir(), "store.pem")
		if err := os.WriteFile(store, public.RootPEM(), 0o600); err != nil {
			t.Fatal(err)
		}
		r := doctor.Examine(t.Context(), doctor.Options{
			Environ: []string{"HF_ENDPOINT=" + s.URL + "/huggingface.co"}, StorePaths: []string{store},
			Run: func(context.Context, string, ...string) (string, error) { return "", exec.ErrNotFound },
		})
		if f := expect(t, r, doctor.Fault, check, s.URL); !strings.Contains(f.Fix, c.says) {
			t.Errorf("%s\n\t%s", f.Detail, f.Fix)
		}
	}
}
