package doctor_test

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/doctor"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// TestWorkers looks at workers of one house, each of which has something else
// wrong with it, or nothing.
func TestWorkers(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{})
	key := h.HubWorker("hub")
	for name, test := range map[string]func(*testing.T, *house.House, admin.Key){
		"nothing is wrong": nothingIsWrong, "environment": badEnvironment, "NO_PROXY of others": noProxyOfOthers,
		"reverse alone": reverseAlone, "URL key": endpointWithAURLKey, "endpoints of others": endpointsOfOthers,
		"another proxy": anotherProxy, "tokens of the Hub": hubTokens, "lines": linesOfAMode, "families": whoIsHere,
		"keys": badKeys, "trust": trusting, "clock": badClock, "listener": badListener,
	} {
		t.Run(name, func(t *testing.T) { test(t, h, key) })
	}
}

// A worker on which all is well hears so, in both modes, with the name of the
// credential and the size of the file.
func nothingIsWrong(t *testing.T, h *house.House, key admin.Key) {
	w := newWorker(t, h, key)
	for _, v := range h.WorkerEnv(workerenv.Reverse, w.key.Key) {
		w.env[v.Name] = v.Value
	}
	w.env["NODE_USE_ENV_PROXY"] = "1"
	w.write(w.store, mustRead(t, h.CABundle()))
	r := w.examine(gatedURL)
	healthy(t, r)
	for _, mode := range []string{"forward", "reverse"} {
		found := false
		for _, f := range r.Findings {
			found = found || f.Check == "download" && f.About == gatedURL && strings.HasPrefix(f.Detail, mode) &&
				strings.Contains(f.Detail, `credential "hub"`) && strings.Contains(f.Detail, " bytes")
		}
		if !found {
			t.Errorf("%s mode is not tried:\n%s", mode, list(r))
		}
	}
	expect(t, r, doctor.Fine, "clock", "")
	healthy(t, w.examine()) // without a URL
	for _, one := range h.Server.Record.All() {
		if one.Header.Get("X-Weighbridge-Explain") != "" {
			t.Error("an upstream saw what is between a worker and weighbridge")
		}
	}
}

func badEnvironment(t *testing.T, h *house.House, key admin.Key) {
	proxy := h.ForwardURL(key.Key)
	for name, c := range map[string]struct {
		set          map[string]string
		severity     doctor.Severity
		check, about string
		fix          string
	}{
		"no proxy at all":   {map[string]string{"HTTPS_PROXY": "", "https_proxy": ""}, doctor.Fault, "proxy_missing", "HTTPS_PROXY", "export HTTPS_PROXY="},
		"upper case only":   {map[string]string{"https_proxy": ""}, doctor.Warning, "proxy_case", "https_proxy", `export https_proxy="$HTTPS_PROXY"`},
		"lower case only":   {map[string]string{"HTTPS_PROXY": ""}, doctor.Warning, "proxy_case", "HTTPS_PROXY", `export HTTPS_PROXY="$https_proxy"`},
		"two proxies":       {map[string]string{"https_proxy": "http://other:3128"}, doctor.Fault, "proxy_differs", "", "export https_proxy="},
		"ALL_PROXY only":    {map[string]string{"HTTPS_PROXY": "", "https_proxy": "", "ALL_PROXY": proxy}, doctor.Warning, "proxy_case", "ALL_PROXY", `export HTTPS_PROXY="$ALL_PROXY" https_proxy="$ALL_PROXY"`},
		"all_proxy only":    {map[string]string{"HTTPS_PROXY": "", "https_proxy": "", "all_proxy": proxy}, doctor.Warning, "proxy_case", "all_proxy", `export HTTPS_PROXY="$all_proxy" https_proxy="$all_proxy"`},
		"both ALL_PROXY":    {map[string]string{"HTTPS_PROXY": "", "https_proxy": "", "ALL_PROXY": proxy, "all_proxy": proxy}, doctor.Warning, "proxy_case", "ALL_PROXY", `export HTTPS_PROXY="$ALL_PROXY"`},
		"no scheme":         both(strings.TrimPrefix(proxy, "http://"), doctor.Fault, "proxy_malformed", "export HTTPS_PROXY="),
		"quotes":            both(`"`+proxy+`"`, doctor.Fault, "proxy_malformed", "export HTTPS_PROXY="),
		"a line break":      both(proxy+"\n", doctor.Fault, "proxy_malformed", "export HTTPS_PROXY="),
		"no port":           both("http://weighbridge:"+key.Key+"@proxy", doctor.Fault, "proxy_malformed", "export HTTPS_PROXY="),
		"socks":             both("socks5://127.0.0.1:1080", doctor.Fault, "proxy_malformed", "export HTTPS_PROXY="),
		"a cut key":         both(strings.Replace(proxy, key.Key, key.Key[:20], 1), doctor.Fault, "key_malformed", "WEIGHBRIDGE_KEY"),
		"an empty key":      both(strings.Replace(proxy, key.Key, "", 1), doctor.Fault, "key_malformed", "WEIGHBRIDGE_KEY"),
		"a token as key":    both(strings.Replace(proxy, key.Key, "hf_"+strings.Repeat("a", 34), 1), doctor.Fault, "key_malformed", "WEIGHBRIDGE_KEY"),
		"NO_PROXY all":      {map[string]string{"NO_PROXY": "*"}, doctor.Fault, "no_proxy", "NO_PROXY", "export NO_PROXY=''"},
		"NO_PROXY host":     {map[string]string{"NO_PROXY": "localhost,huggingface.co"}, doctor.Fault, "no_proxy", "NO_PROXY", "export NO_PROXY='localhost'"},
		"no_proxy domain":   {map[string]string{"no_proxy": "localhost .co"}, doctor.Fault, "no_proxy", "no_proxy", "export no_proxy='localhost'"},
		"NO_PROXY port":     {map[string]string{"NO_PROXY": "localhost,huggingface.co:443"}, doctor.Fault, "no_proxy", "NO_PROXY", "export NO_PROXY='localhost'"},
		"NO_PROXY CDN":      {map[string]string{"NO_PROXY": "localhost,.hf.co"}, doctor.Warning, "no_proxy", "NO_PROXY", "export NO_PROXY='localhost'"},
		"NO_PROXY differ":   {map[string]string{"NO_PROXY": "localhost,a.example"}, doctor.Warning, "no_proxy_differs", "", "export no_proxy="},
		"no loopback":       {map[string]string{"NO_PROXY": "", "no_proxy": ""}, doctor.Warning, "no_proxy_loopback", "", "localhost,127.0.0.1,::1"},
		"offline":           {map[string]string{"HF_HUB_OFFLINE": "1"}, doctor.Fault, "offline", "HF_HUB_OFFLINE", "unset HF_HUB_OFFLINE"},
		"CGI":               {map[string]string{"REQUEST_METHOD": "GET"}, doctor.Warning, "request_method", "", "unset REQUEST_METHOD"},
		"a token":           {map[string]string{"HF_TOKEN": "hf_" + strings.Repeat("b", 34)}, doctor.Warning, "token_on_worker", "HF_TOKEN", "unset HF_TOKEN"},
		"endpoint, no URL":  {map[string]string{"HF_ENDPOINT": "proxy"}, doctor.Fault, "endpoint_malformed", "", "export HF_ENDPOINT="},
		"endpoint, no host": {map[string]string{"HF_ENDPOINT": h.Bridge.ProxyURL()}, doctor.Fault, "endpoint_malformed", "", "export HF_ENDPOINT='" + h.Bridge.ProxyURL() + "/huggingface.co'"},
		"endpoint, token":   {map[string]string{"HF_ENDPOINT": h.Bridge.ProxyURL() + "/huggingface.co", "HF_TOKEN": "hf_short"}, doctor.Fault, "key_malformed", "HF_TOKEN", "export HF_TOKEN="},
		"aria2":             {map[string]string{"COMFYUI_MANAGER_ARIA2_SERVER": "http://127.0.0.1:6800/jsonrpc"}, doctor.Warning, "aria2_daemon", "", "https_proxy="},
		"node":              {map[string]string{"NODE_USE_ENV_PROXY": ""}, doctor.Warning, "node_proxy", "", "export NODE_USE_ENV_PROXY=1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorker(t, h, key)
			for k, v := range c.set {
				w.env[k] = v
			}
			f := expect(t, w.examine(gatedURL), c.severity, c.check, c.about)
			if !strings.Contains(f.Fix, c.fix) {
				t.Errorf("fix: %s", f.Fix)
			}
		})
	}
}

type environmentCase = struct {
	set          map[string]string
	severity     doctor.Severity
	check, about string
	fix          string
}

// both sets the proxy in both cases.
func both(proxy string, s doctor.Severity, check, fix string) environmentCase {
	return environmentCase{map[string]string{"HTTPS_PROXY": proxy, "https_proxy": proxy}, s, check, "HTTPS_PROXY", fix}
}

// Every entry that leads the host past the proxy goes, and no other.
func noProxyOfOthers(t *testing.T, h *house.House, key admin.Key) {
	w := newWorker(t, h, key)
	for _, v := range []string{"localhost,face.co", "localhost,xhuggingface.co", "localhost,huggingface.co:8443", "localhost,10.0.0.0/8", "localhost,.internal"} {
		w.env["NO_PROXY"], w.env["no_proxy"] = v, v
		for _, f := range w.examine().Findings {
			if f.Check == "no_proxy" {
				t.Errorf("%s: %s", v, f.Detail)
			}
		}
	}
}

func badKeys(t *testing.T, h *house.House, key admin.Key) {
	good := key
	revoked := h.AddKey(admin.NewKey{Name: "revoked", Credentials: []string{"hub"}})
	h.Call(http.MethodPost, "/api/v1/keys/revoked/revoke", nil, nil)
	ended := h.AddKey(admin.NewKey{Name: "ended", Credentials: []string{"hub"}})
	h.EndKey("ended", time.Now().Add(-time.Hour))
	other := good
	other.Key = "wbk_" + strings.Repeat("q", 44)
	for name, c := range map[string]struct {
		key   admin.Key
		check string
	}{"unknown": {other, "key_invalid"}, "revoked": {revoked, "key_revoked"}, "ended": {ended, "key_expired"}} {
		w := newWorker(t, h, c.key)
		for _, v := range h.WorkerEnv(workerenv.Reverse, c.key.Key) {
			w.env[v.Name] = v.Value
		}
		for _, urls := range [][]string{{gatedURL}, nil} {
			r := w.examine(urls...)
			for _, mode := range []string{"forward", "reverse"} {
				if f := expect(t, r, doctor.Fault, c.check, mode); !strings.Contains(f.Fix, "WEIGHBRIDGE_KEY") {
					t.Errorf("%s: %s", name, f.Fix)
				}
			}
		}
	}
	// From here the key may not be used: the line that would allow it is there,
	// with the key's name and this machine's address.
	elsewhere := h.AddKey(admin.NewKey{Name: "used elsewhere", Credentials: []string{"hub"}, Sources: []string{"192.0.2.0/24"}})
	w := newWorker(t, h, elsewhere)
	for _, v := range h.WorkerEnv(workerenv.Reverse, elsewhere.Key) {
		w.env[v.Name] = v.Value
	}
	for _, urls := range [][]string{{gatedURL}, nil} {
		r := w.examine(urls...)
		for _, mode := range []string{"forward", "reverse"} {
			f := expect(t, r, doctor.Fault, "source_forbidden", mode)
			if !strings.Contains(f.Detail, "127.0.0.1") || !strings.Contains(f.Fix, "weighbridge key update 'used elsewhere' --source 127.0.0.1 ") {
				t.Errorf("%s: %s", f.Detail, f.Fix)
			}
		}
	}
	w = newWorker(t, h, good)
	w.env["HTTPS_PROXY"] = h.Bridge.ProxyURL()
	w.env["https_proxy"] = h.Bridge.ProxyURL()
	expect(t, w.examine(gatedURL), doctor.Fault, "key_missing", "forward")
}

// For each family of clients: what it would trust, and the line that mends it.
func trusting(t *testing.T, h *house.House, key admin.Key) {
	for family, variables := range map[string][]string{
		"openssl": {"SSL_CERT_FILE"}, "httpx": {"SSL_CERT_FILE"}, "requests": {"REQUESTS_CA_BUNDLE"}, "curl": {"CURL_CA_BUNDLE"},
		"git": {"GIT_SSL_CAINFO"}, "node": {"NODE_EXTRA_CA_CERTS"}, "aws": {"AWS_CA_BUNDLE"}, "rust": {"SSL_CERT_FILE"},
	} {
		w := newWorker(t, h, key)
		for _, v := range variables {
			w.env[v] = w.store // public roots alone
		}
		f := expect(t, w.examine(gatedURL), doctor.Fault, "trust", family)
		if want := "export " + variables[0] + "='" + h.CABundle() + "'"; f.Fix != want {
			t.Errorf("%s: %s, not %s", family, f.Fix, want)
		}
		w.env[variables[0]] = filepath.Join(t.TempDir(), "missing.pem")
		if f = expect(t, w.examine(gatedURL), doctor.Fault, "trust", family); !strings.Contains(f.Detail, "cannot be read") {
			t.Error(f.Detail)
		}
	}
	w := newWorker(t, h, key)
	w.env["PIP_CERT"] = w.store
	expect(t, w.examine(gatedURL), doctor.Warning, "trust", "pip")

	// Who reads certifi's file, or the system's store, is told how to change it.
	w = newWorker(t, h, key)
	certifi := filepath.Join(t.TempDir(), "cacert.pem")
	w.write(certifi, h.Server.RootPEM())
	w.programs[certifiQuestion] = certifi
	r := w.examine(gatedURL)
	if f := expect(t, r, doctor.Warning, "trust", "certifi"); !strings.Contains(f.Fix, "--into '"+certifi+"'") || !strings.Contains(f.Fix, "--sha256 FINGERPRINT") {
		t.Error(f.Fix)
	}
	if f := expect(t, r, doctor.Warning, "trust", "system"); !strings.HasPrefix(f.Fix, "sudo weighbridge ca install --from "+h.Bridge.ProxyURL()) {
		t.Error(f.Fix)
	}

	// A bundle of our root alone breaks everything that is not intercepted.
	w = newWorker(t, h, key)
	alone := filepath.Join(t.TempDir(), "ours.pem")
	w.write(alone, ownRoot(t, h))
	w.env["SSL_CERT_FILE"] = alone
	if f := expect(t, w.examine(gatedURL), doctor.Fault, "trust", "openssl"); !strings.Contains(f.Detail, "alone") {
		t.Error(f.Detail)
	}

	// A root that was exchanged is not trusted any more by what holds the old.
	w = newWorker(t, h, key)
	delete(w.programs, "python3 --version")
	for _, v := range []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT"} {
		delete(w.env, v)
	}
	r = w.examine(gatedURL)
	if f := expect(t, r, doctor.Fault, "trust", "curl"); !strings.Contains(f.Fix, "sudo weighbridge ca install") || !strings.Contains(f.Fix, "export CURL_CA_BUNDLE='"+w.store+"'") {
		t.Error(f.Fix)
	}
	if f := expect(t, r, doctor.Fault, "trust", "node"); !strings.Contains(f.Fix, "NODE_EXTRA_CA_CERTS") {
		t.Error(f.Fix)
	}
	for _, f := range r.Findings {
		if f.About == "openssl" || f.About == "httpx" || f.About == "certifi" {
			t.Errorf("there is no Python: %s", f.Detail)
		}
	}
	w.programs["git config --get http.sslCAInfo"] = h.CABundle()
	w.programs["git config --get http.proxy"] = "http://user:" + hidden + "@other:3128"
	r = w.examine(gatedURL)
	expect(t, r, doctor.Fault, "trust", "curl")
	if !strings.Contains(list(r), "ok trust git") || !strings.Contains(list(r), "warning git_proxy") {
		t.Error(list(r))
	}
}

func badClock(t *testing.T, h *house.House, key admin.Key) {
	for by, severity := range map[time.Duration]doctor.Severity{
		2 * time.Minute: doctor.Warning, -3 * time.Minute: doctor.Warning, -time.Hour: doctor.Fault, 72 * time.Hour: doctor.Fault,
	} {
		w := newWorker(t, h, key)
		w.options.Now = func() time.Time { return time.Now().Add(by) }
		f := expect(t, w.examine(gatedURL), severity, "clock", "")
		if !strings.Contains(f.Fix, "timedatectl") {
			t.Error(f.Fix)
		}
	}
}

func badListener(t *testing.T, h *house.House, key admin.Key) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	defer other.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for check, at := range map[string]string{
		"proxy_unreachable": "http://" + closed.Addr().String(),
		"proxy_other":       other.URL,
		"proxy_scheme":      strings.Replace(h.Bridge.ProxyURL(), "http://", "https://", 1),
		"proxy_certificate": secure.URL,
	} {
		w := newWorker(t, h, key)
		u := mustURL(t, at)
		u.User = mustURL(t, h.ForwardURL(key.Key)).User
		w.env["HTTPS_PROXY"], w.env["https_proxy"] = u.String(), u.String()
		expect(t, w.examine(gatedURL), doctor.Fault, check, at)
	}
	w := newWorker(t, h, key)
	u := mustURL(t, "http://no-such-name.invalid:8080")
	u.User = mustURL(t, h.ForwardURL(key.Key)).User
	w.env["HTTPS_PROXY"], w.env["https_proxy"] = u.String(), u.String()
	if f := expect(t, w.examine(), doctor.Fault, "proxy_unreachable", "http://no-such-name.invalid:8080"); !strings.Contains(f.Detail, "no-such-name.invalid") {
		t.Error(f.Detail)
	}
}

// What the upstream, or weighbridge for it, says is told apart in words.
func TestUpstream(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{})
	key := h.HubWorker("hub")
	h.Hub.AddToken(hub.Token{Value: h.Secret("hf_").Value(), User: "bob", Role: hub.RoleRead})
	stranger := h.Secret("hf_")
	h.Hub.AddToken(hub.Token{Value: stranger.Value(), User: "carol", Role: hub.RoleRead})
	add := func(name, token string, patterns ...string) admin.Key {
		h.AddCredential(admin.NewCredential{Name: name, Provider: "huggingface", Fields: map[string]string{"token": token}, NoValidate: true, Patterns: patterns})
		return h.AddKey(admin.NewKey{Name: name, Credentials: []string{name}})
	}
	unaccepted := add("carol", stranger.Value(), hub.Host+"/*", "hf.co/*")
	// Each mode tries a credential of its own: the first refusal has weighbridge
	// ask the Hub itself, and from that answer on the credential is not tried.
	bad := func(mode workerenv.Mode) admin.Key {
		refused := h.Secret("hf_")
		h.Hub.AddToken(hub.Token{Value: refused.Value(), User: "dan", Role: hub.RoleRead, Grants: []string{"acme/*"}})
		h.Hub.RevokeToken(refused.Value())
		return add("bad in "+string(mode), refused.Value())
	}
	gone := add("gone and revoked", h.Secret("hf_").Value())
	h.Call(http.MethodPost, "/api/v1/credentials/gone%20and%20revoked/revoke", nil, nil)
	// Its worker hears so also where nobody names a URL.
	expect(t, newWorker(t, h, gone).examine(), doctor.Warning, "credential_not_usable", hub.Host)
	unlinked := h.AddKey(admin.NewKey{Name: "unlinked", Unmatched: "deny"})
	at := func(repo, file string) string { return "https://" + hub.Host + "/" + repo + "/resolve/main/" + file }
	for name, c := range map[string]struct {
		key    admin.Key
		url    string
		fault  *origin.Fault
		check  string
		detail string
		fix    string
	}{
		"licence":             {unaccepted, gatedURL, nil, "licence_not_accepted", `"carol"`, "https://huggingface.co/" + hub.SampleGated + " "},
		"licence, redirected": {unaccepted, strings.Replace(gatedURL, hub.Host, "hf.co", 1), nil, "licence_not_accepted", `"carol"`, "https://huggingface.co/" + hub.SampleGated + " "},
		"bad token":           {admin.Key{}, gatedURL, nil, "credential_refused", `"bad in `, "weighbridge credential update 'bad in "},
		"no access":           {unaccepted, at(hub.SamplePrivate, hub.SampleWeights), nil, "not_found", "private", "owner"},
		"no file":             {key, at(hub.SampleGated, "nothing.bin"), nil, "not_found", "no such file", "path"},
		"no revision":         {key, "https://" + hub.Host + "/" + hub.SampleGated + "/resolve/nothing/" + hub.SampleWeights, nil, "not_found", "revision", "branch"},
		"disabled":            {key, at(hub.SampleDisabled, hub.SampleWeights), nil, "no_access", "disabled", "access"},
		"limit":               {key, gatedURL, ptr(hub.RetryAfter(0, 17)), "rate_limited", "too much", "17s"},
		"failure":             {key, gatedURL, &origin.Fault{Kind: origin.Answer, Host: hub.Host, Status: 503}, "upstream_failed", "503", "later"},
		"not usable":          {gone, gatedURL, nil, "credential_not_usable", "revoked", "weighbridge credential show 'gone and revoked'"},
		"not linked":          {unlinked, gatedURL, nil, "not_linked", "", "weighbridge link"},
		"no pattern":          {unlinked, "https://models.example.org/x.bin", nil, "no_credential_matched", "", "explain"},
	} {
		for _, mode := range []workerenv.Mode{workerenv.Forward, workerenv.Reverse} {
			t.Run(name+"/"+string(mode), func(t *testing.T) {
				key := c.key
				if key.Key == "" {
					key = bad(mode)
				}
				w := newWorker(t, h, key)
				if mode == workerenv.Reverse {
					w.env = map[string]string{}
					for _, v := range h.WorkerEnv(mode, key.Key) {
						w.env[v.Name] = v.Value
					}
				}
				if c.fault != nil {
					h.Server.Faults.Add(*c.fault)
					defer h.Server.Faults.Clear()
				}
				f := expect(t, w.examine(c.url), doctor.Fault, c.check, c.url)
				if !strings.Contains(f.Detail, c.detail) || !strings.Contains(f.Fix, c.fix) || !strings.HasPrefix(f.Detail, string(mode)) {
					t.Errorf("%s\n\t%s", f.Detail, f.Fix)
				}
			})
		}
	}
	// Nothing that is put on nowhere: it passes, and the answer is the Hub's.
	passing := h.AddKey(admin.NewKey{Name: "passing"})
	w := newWorker(t, h, passing)
	expect(t, w.examine(gatedURL), doctor.Fault, "credential_needed", gatedURL)
}

func ptr[T any](v T) *T { return &v }

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ownRoot is the PEM of the house's root.
func ownRoot(t testing.TB, h *house.House) []byte {
	t.Helper()
	text := mustRead(t, h.CABundle())
	public := h.Server.RootPEM()
	var out []byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if one := pem.EncodeToMemory(block); string(one) != string(public) {
			if _, err := x509.ParseCertificate(block.Bytes); err != nil {
				t.Fatal(err)
			}
			out = append(out, one...)
		}
	}
	return out
}
