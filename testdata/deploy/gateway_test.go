package deploy

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

const gatewayValues = `
gateway:
  config:
    credentials: [{name: hub, provider: huggingface, fields: {token: {file: /etc/weighbridge/secrets/hub/token}}, patterns: ["huggingface.co/my-org/*"]}]
    keys: [{name: trainer, value: {file: /etc/weighbridge/secrets/keys/trainer}, credentials: [hub]}]
    service_accounts: {issuer: https://kubernetes.default.svc.cluster.local}
  secrets: [hub, keys]
  tls: {secretName: listener}
  probe: {keySecret: {name: keys, key: trainer}}
  # Tests see what holds during it; a second signal ends it.
  drainDelaySeconds: 600
serviceMonitor: {enabled: true, tokenSecret: {name: prometheus, key: bearer}}
tokenReview: {enabled: true, apiServer: [10.96.0.1/32]}
`

// Values of the Secrets.
const (
	hubToken     = "hf_sampleTokenOfTheGatewaysTest01234567"
	trainerKey   = "wbk_0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
	metricsToken = "5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76"
)

// gatewaySecrets are what the values name, with a certificate of that name for
// the listener, and its roots.
func gatewaySecrets(t *testing.T, name string) (secrets, *x509.CertPool) {
	t.Helper()
	pair := func(name string) (map[string]string, *x509.CertPool) {
		dir := t.TempDir()
		roots := certificate(t, dir, name)
		return map[string]string{"tls.crt": string(read(t, filepath.Join(dir, "tls.crt"))), "tls.key": string(read(t, filepath.Join(dir, "tls.key")))}, roots
	}
	root, _ := pair("root.weighbridge.svc")
	listener, roots := pair(name)
	return secrets{
		"kube-root-ca.crt": {"ca.crt": root["tls.crt"]}, "weighbridge-ca": root, "listener": listener, "hub": {"token": hubToken}, "keys": {"trainer": trainerKey}, "prometheus": {"bearer": metricsToken},
	}, roots
}

// rendered are the objects of values.
func rendered(t *testing.T, values string) []runtime.Object {
	t.Helper()
	text, err := render(t, values)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, "rendered", []byte(text))
}

// find is the one object of its kind that fits.
func find[O runtime.Object](t *testing.T, objects []runtime.Object, fits func(O) bool) O {
	t.Helper()
	var out O
	n := 0
	for _, o := range objects {
		if o, ok := o.(O); ok && fits(o) {
			out = o
			n++
		}
	}
	if n != 1 {
		t.Fatalf("%d of %T", n, out)
	}
	return out
}

// outside is an address of this machine that is not loopback, by which it
// reaches itself as another machine does. Nothing leaves it.
func outside(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			return p.Addr().String()
		}
	}
	t.Fatal("this machine has no address but loopback")
	return ""
}

// The rendered gateway serves what its values declare, is found by its own
// probes, has its record on the standard output, and gives its metrics to who
// sends what the ServiceMonitor makes Prometheus send, and to nobody else. Told
// to end it is served from as before, and no node is told that it is ready.
func TestTheRenderedGatewayServes(t *testing.T) {
	objects := rendered(t, gatewayValues)
	have, roots := gatewaySecrets(t, "weighbridge.weighbridge.svc")
	have["listener"]["ca.crt"] = have["listener"]["tls.crt"]
	p := startPod(t, objects, "weighbridge", have)
	c, ports := p.container(), p.serving()
	for name, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		if said := p.probe(probe); said != "" {
			t.Errorf("%s: %s", name, said)
		}
	}

	// Prometheus takes the Services by their labels, their pods, the port by its
	// name, and the token from the Secret.
	monitor := find(t, objects, func(*custom[serviceMonitorSpec]) bool { return true })
	service := find(t, objects, func(s *corev1.Service) bool {
		return labels.SelectorFromSet(monitor.Spec.Selector.MatchLabels).Matches(labels.Set(s.Labels))
	})
	for _, e := range monitor.Spec.Endpoints {
		target := ""
		for _, port := range service.Spec.Ports {
			if port.Name == e.Port {
				target = ports[port.TargetPort.String()]
			}
		}
		shown := have[e.Authorization.Credentials.Name][e.Authorization.Credentials.Key]
		url := "http://" + net.JoinHostPort(outside(t), target) + e.Path
		for field, want := range map[string]int{e.Authorization.Type + " " + shown: 200, "": 401, e.Authorization.Type + " " + shown[1:]: 401} {
			status, body := get(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, url, field)
			if status != want || strings.Contains(body, "weighbridge_transfers 0") != (want == 200) {
				t.Errorf("%.9s…: %d %.300s", field, status, body)
			}
		}
	}

	worker := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "weighbridge.weighbridge.svc"}}}
	refused := func() {
		t.Helper()
		status, body := get(t, worker, "https://127.0.0.1:"+ports["proxy"]+"/huggingface.co/others/model", "Bearer "+trainerKey)
		if status != 403 || !strings.Contains(body, "no_credential_matched") {
			t.Errorf("%d %s", status, body)
		}
	}
	refused()
	for _, want := range []string{`"code":"no_credential_matched"`, `"action":"api.denied"`} {
		p.until("on the standard output: "+want, func() bool { return strings.Contains(p.out.String(), want) })
	}

	p.signal(syscall.SIGTERM)
	p.until("readiness fails", func() bool { return strings.Contains(p.probe(c.ReadinessProbe), `"draining"`) })
	if said := p.probe(c.LivenessProbe); said != "" {
		t.Errorf("liveness before it drains: %s", said)
	}
	refused()
	for _, secret := range []string{hubToken, trainerKey, metricsToken} {
		if strings.Contains(p.out.String()+p.log.String(), secret) {
			t.Error("what it writes holds a secret")
		}
	}
	if grace := *p.spec.TerminationGracePeriodSeconds; grace <= 600+600 {
		t.Errorf("%d s are not enough for the delay and the drain", grace)
	}
}

// A listener's certificate may be a public one: of another name, and without
// roots in its Secret.
func TestTheGatewayHasAPublicCertificate(t *testing.T) {
	values := strings.NewReplacer("{secretName: listener}", `{secretName: listener, serverName: weights.example.com, caKey: ""}`, "drainDelaySeconds: 600", "drainDelaySeconds: 0").Replace(gatewayValues)
	have, _ := gatewaySecrets(t, "weights.example.com")
	p := startPod(t, rendered(t, values), "weighbridge", have)
	c := p.container()
	for name, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		if said := p.probe(probe); said != "" {
			t.Errorf("%s: %s", name, said)
		}
	}
}

// The rendered webhook answers reviews also after it was told to end, while its
// readiness says that it goes.
func TestTheRenderedWebhookLeaves(t *testing.T) {
	dir := t.TempDir()
	roots := certificate(t, dir)
	pair := map[string]string{"tls.crt": string(read(t, filepath.Join(dir, "tls.crt"))), "tls.key": string(read(t, filepath.Join(dir, "tls.key")))}
	objects := rendered(t, "gateway: {enabled: false}\ninject: {enabled: true, certManager: false, tlsSecret: t, caBundle: Zm9v, drainDelaySeconds: 600}")
	p := startPod(t, objects, "weighbridge-inject", secrets{"t": pair}, "--listen", "127.0.0.1:0")
	w := p.webhook(roots)
	ask := func(probe *corev1.Probe) int {
		status, _ := get(t, w.client, w.url+probe.HTTPGet.Path, "")
		return status
	}
	c := p.container()
	if ready, live := ask(c.ReadinessProbe), ask(c.LivenessProbe); ready != 200 || live != 200 {
		t.Errorf("readiness %d, liveness %d", ready, live)
	}
	p.signal(syscall.SIGTERM)
	p.until("readiness fails", func() bool { return ask(c.ReadinessProbe) == 503 })
	if live := ask(c.LivenessProbe); live != 200 {
		t.Errorf("liveness %d", live)
	}
	if r := w.ask(read(t, "reviews/bare.json")); !r.Allowed || r.Patch == nil {
		t.Errorf("%+v", r)
	}
	if grace := *p.spec.TerminationGracePeriodSeconds; grace <= 600+10 {
		t.Errorf("%d s are not enough for the delay and what is under way", grace)
	}
}

func get(t *testing.T, client *http.Client, url, authorization string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
