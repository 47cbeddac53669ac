package deploy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// image is the one that the manifests name.
const image = "ghcr.io/weighbridge/weighbridge:0.1.0"

// webhook is `weighbridge inject` as it runs in a cluster.
type webhook struct {
	t      *testing.T
	url    string
	client *http.Client
}

var servingLine = regexp.MustCompile(`"webhook":"([^"]+)"`)

func startWebhook(t *testing.T) *webhook {
	t.Helper()
	dir := t.TempDir()
	roots := certificate(t, dir)
	return launch(t, nil, "inject", "--listen", "127.0.0.1:0", "--image", image,
		"--tls-cert", filepath.Join(dir, "tls.crt"), "--tls-key", filepath.Join(dir, "tls.key")).webhook(roots)
}

// webhook waits until the process answers reviews. roots vouch for its
// certificate.
func (p *process) webhook(roots *x509.CertPool) *webhook {
	p.t.Helper()
	var m []string
	p.until("the webhook serves", func() bool {
		m = servingLine.FindStringSubmatch(p.log.String())
		return m != nil
	})
	return &webhook{p.t, "https://" + m[1], &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: webhookName},
	}}}
}

// webhookName is the name of the webhook's service.
const webhookName = "weighbridge-inject.weighbridge.svc"

// certificate writes tls.crt and tls.key of names, of the webhook's where there
// are none, and returns what vouches for them.
func certificate(t *testing.T, dir string, names ...string) *x509.CertPool {
	t.Helper()
	if len(names) == 0 {
		names = []string{webhookName}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: names, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	crt := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, b := range map[string][]byte{"tls.crt": crt, "tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(crt)
	return pool
}

// ask sends a review and reads the answer strictly.
func (w *webhook) ask(review []byte) *admissionv1.AdmissionResponse {
	w.t.Helper()
	resp, err := w.client.Post(w.url+"/mutate?timeout=5s", "application/json", bytes.NewReader(review))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s, %v", resp.Status, body, err)
	}
	var out, in admissionv1.AdmissionReview
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(review, &in); err != nil {
		w.t.Fatal(err)
	}
	if out.Response == nil || out.Response.UID != in.Request.UID || out.APIVersion != "admission.k8s.io/v1" || out.Kind != "AdmissionReview" {
		w.t.Fatalf("not an answer to this review: %s", body)
	}
	return out.Response
}

// admit is the pod as the API server would store it.
func (w *webhook) admit(review []byte) (*corev1.Pod, *admissionv1.AdmissionResponse) {
	w.t.Helper()
	r := w.ask(review)
	var in admissionv1.AdmissionReview
	if err := json.Unmarshal(review, &in); err != nil {
		w.t.Fatal(err)
	}
	if !r.Allowed {
		return nil, r
	}
	raw := in.Request.Object.Raw
	if r.Patch != nil {
		if r.PatchType == nil || *r.PatchType != admissionv1.PatchTypeJSONPatch {
			w.t.Fatalf("the patch is of type %v", r.PatchType)
		}
		patch, err := jsonpatch.DecodePatch(r.Patch)
		if err != nil {
			w.t.Fatal(err)
		}
		if raw, err = patch.Apply(raw); err != nil {
			w.t.Fatal(err)
		}
	}
	pod, ok := decode(w.t, "the patched pod", raw)[0].(*corev1.Pod)
	if !ok {
		w.t.Fatal("that is no pod")
	}
	return pod, r
}

// reviewOf is the review that an API server sends for a pod.
func reviewOf(t *testing.T, p *corev1.Pod) []byte {
	t.Helper()
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	in := admissionv1.AdmissionReview{Request: &admissionv1.AdmissionRequest{UID: types.UID("again"), Operation: admissionv1.Create}}
	in.APIVersion, in.Kind, in.Request.Kind.Version, in.Request.Kind.Kind = "admission.k8s.io/v1", "AdmissionReview", "v1", "Pod"
	in.Request.Object.Raw = raw
	out, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func variables(c *corev1.Container) map[string]string {
	out := map[string]string{}
	for _, e := range c.Env {
		if _, twice := out[e.Name]; twice {
			out[e.Name] = "twice"
			continue
		}
		out[e.Name] = e.Value
	}
	return out
}

func TestTheWebhookGivesPodsASidecar(t *testing.T) {
	w := startWebhook(t)
	for _, name := range []string{"bare", "rich"} {
		t.Run(name, func(t *testing.T) {
			review := read(t, "reviews/"+name+".json")
			pod, r := w.admit(review)
			if pod == nil {
				t.Fatalf("refused: %v", r.Result)
			}
			first, sidecar := pod.Spec.InitContainers[0], pod.Spec.InitContainers[1]
			if first.Name != "weighbridge-init" || sidecar.Name != "weighbridge" || sidecar.RestartPolicy == nil || *sidecar.RestartPolicy != corev1.ContainerRestartPolicyAlways || sidecar.StartupProbe == nil {
				t.Errorf("%+v", pod.Spec.InitContainers)
			}
			// Whatever the pod is, what was added keeps to the policy.
			no := false
			if f := faults(&corev1.PodSpec{AutomountServiceAccountToken: &no, InitContainers: pod.Spec.InitContainers[:2], Volumes: pod.Spec.Volumes}); len(f) > 0 {
				t.Errorf("%v", f)
			}
			for _, c := range slices.Concat(pod.Spec.InitContainers[2:], pod.Spec.Containers) {
				v := variables(&c)
				if c.Name == "metrics" {
					if v["HTTPS_PROXY"] != "http://egress:3128" || len(c.Env) != 1 {
						t.Errorf("metrics has %v", v)
					}
					continue
				}
				token := "hf_of_its_own"
				if name == "bare" || c.Name == "fetch" {
					token = v["HF_TOKEN"]
					if token == "" {
						t.Error("no placeholder")
					}
				}
				if v["HTTPS_PROXY"] != "http://127.0.0.1:8080" || v["https_proxy"] != v["HTTPS_PROXY"] || v["SSL_CERT_FILE"] != "/run/weighbridge/ca-bundle.pem" || v["HF_TOKEN"] != token ||
					!strings.HasSuffix(v["NO_PROXY"], ".svc,.cluster.local,$(KUBERNETES_SERVICE_HOST)") {
					t.Errorf("%s has %v", c.Name, v)
				}
				for _, m := range c.VolumeMounts {
					if strings.HasPrefix(m.Name, "weighbridge") && (m.Name != "weighbridge-worker" || !m.ReadOnly) {
						t.Errorf("%s mounts %+v", c.Name, m)
					}
				}
			}
			secrets := map[string]string{}
			for _, v := range pod.Spec.Volumes {
				if v.Secret != nil {
					secrets[v.Name] = v.Secret.SecretName
				}
			}
			want := map[string][2]string{"bare": {"weighbridge-credentials", "weighbridge-ca"}, "rich": {"my-credentials", "my-ca"}}[name]
			if secrets["weighbridge-credentials"] != want[0] || secrets["weighbridge-ca"] != want[1] {
				t.Errorf("secrets: %v", secrets)
			}
			if len(r.Warnings) != map[string]int{"bare": 0, "rich": 1}[name] {
				t.Errorf("warnings: %q", r.Warnings)
			}
			if again := w.ask(reviewOf(t, pod)); !again.Allowed || again.Patch != nil {
				t.Errorf("the second time: %s", again.Patch)
			}
		})
	}
	for name, says := range map[string]string{"hostnetwork": "hostNetwork", "port": `"server" has port 8080, on which the sidecar listens too: give the sidecar another by the annotation weighbridge.dev/port`} {
		if r := w.ask(read(t, "reviews/"+name+".json")); r.Allowed || r.Result == nil || r.Result.Code != http.StatusUnprocessableEntity || !strings.Contains(r.Result.Message, says) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := w.ask(read(t, "reviews/unlabelled.json")); !r.Allowed || r.Patch != nil {
		t.Errorf("unlabelled: %+v", r)
	}
}

// A server on the sidecar's port says another for it, and what is reached
// without it.
func TestAPodSaysItsSidecarsPort(t *testing.T) {
	w := startWebhook(t)
	pod, r := w.admit(read(t, "reviews/annotated.json"))
	if pod == nil {
		t.Fatalf("refused: %v", r.Result)
	}
	sidecar, v := pod.Spec.InitContainers[1], variables(&pod.Spec.Containers[0])
	if at := variables(&sidecar)["WEIGHBRIDGE_LISTEN"]; at != "127.0.0.1:18080" || v["HTTPS_PROXY"] != "http://"+at || v["http_proxy"] != "http://"+at {
		t.Errorf("the sidecar listens on %s, and the worker has %v", at, v)
	}
	if !strings.HasSuffix(v["NO_PROXY"], ".svc,.cluster.local,minio,10.96.0.0/12,$(KUBERNETES_SERVICE_HOST)") {
		t.Errorf("NO_PROXY is %s", v["NO_PROXY"])
	}
	if again := w.ask(reviewOf(t, pod)); !again.Allowed || again.Patch != nil {
		t.Errorf("the second time: %s", again.Patch)
	}
}

// With the chart's imagePullSecrets, and the rest of what it gives the webhook,
// a pod's sidecar comes from a private registry.
func TestInjectedPodsCanPullTheImage(t *testing.T) {
	text, err := render(t, variants["everything"].values)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range decode(t, "everything", []byte(text)) {
		d, ok := o.(*appsv1.Deployment)
		if !ok || d.Name != "weighbridge-inject" {
			continue
		}
		out, err := exec.Command(program(t), asCommand(d, filepath.Join(manifestDir, "injected", "vllm.yaml"))...).Output()
		if err != nil {
			t.Fatal(err)
		}
		pod := decode(t, "vllm", out)[0].(*corev1.Pod)
		if !slices.Equal(pod.Spec.ImagePullSecrets, d.Spec.Template.Spec.ImagePullSecrets) || len(pod.Spec.ImagePullSecrets) != 1 {
			t.Errorf("the pod pulls by %v, the chart's by %v", pod.Spec.ImagePullSecrets, d.Spec.Template.Spec.ImagePullSecrets)
		}
		if image := pod.Spec.InitContainers[1].Image; image != d.Spec.Template.Spec.Containers[0].Image {
			t.Errorf("the sidecar is %s", image)
		}
		return
	}
	t.Error("there is no webhook")
}
