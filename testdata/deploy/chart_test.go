package deploy

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

const chartDir = root + "/deploy/helm/weighbridge"

// variants are values, and the kinds that they must make.
var variants = map[string]struct {
	values string
	kinds  []string
}{
	"as it comes": {"", []string{"ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"}},
	"everything": {`
image: {digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}
imagePullSecrets: [{name: pull}]
gateway:
  config:
    credentials: [{name: hub, provider: huggingface, fields: {token: {file: /etc/weighbridge/secrets/hub/token}}, patterns: ["huggingface.co/my-org/*"]}]
    keys: [{name: trainer, value: {file: /etc/weighbridge/secrets/keys/trainer}, credentials: [hub]}]
  secrets: [hub, keys]
  tls: {secretName: listener}
  probe: {keySecret: {name: probe}}
  autoscaling: {enabled: true}
  podAnnotations: {a: b}
  podLabels: {azure.workload.identity/use: "true"}
  nodeSelector: {pool: cpu}
  tolerations: [{key: k, operator: Exists}]
serviceMonitor: {enabled: true, labels: {release: prometheus}, tokenSecret: {name: metrics}}
serviceAccount: {annotations: {azure.workload.identity/client-id: id}}
tokenReview: {enabled: true, apiServer: [10.0.0.4/32]}
networkPolicy: {egress: [{to: [{ipBlock: {cidr: 169.254.170.23/32}}], ports: [{port: 80}]}]}
inject: {enabled: true}
`, []string{
		"Certificate", "ClusterRole", "ClusterRoleBinding", "ConfigMap", "Deployment", "Deployment", "HorizontalPodAutoscaler", "Issuer", "MutatingWebhookConfiguration",
		"NetworkPolicy", "PodDisruptionBudget", "PodDisruptionBudget", "Service", "Service", "Service", "ServiceAccount", "ServiceAccount", "ServiceMonitor",
	}},
	"the webhook alone": {"gateway: {enabled: false}\ninject: {enabled: true, certManager: false, tlsSecret: t, caBundle: Zm9v}",
		[]string{"Deployment", "MutatingWebhookConfiguration", "PodDisruptionBudget", "Service", "ServiceAccount"}},
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// render renders the chart as `helm template` does; the values are held to the
// schema.
func render(t *testing.T, values string) (string, error) {
	t.Helper()
	return renderAs(t, "weighbridge", "weighbridge", parse(t, values))
}

// renderAs renders it for a release and its namespace.
func renderAs(t *testing.T, release, namespace string, values map[string]any) (string, error) {
	t.Helper()
	c, err := loader.LoadDir(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	v, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true}, nil)
	if err != nil {
		return "", err
	}
	files, err := engine.Engine{Strict: true}.Render(c, v)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if filepath.Ext(name) == ".yaml" {
			out.WriteString("---\n# " + name + "\n" + files[name] + "\n")
		}
	}
	return out.String(), nil
}

func TestTheChartLints(t *testing.T) {
	for name, v := range variants {
		l := lint.All(chartDir, parse(t, v.values), "weighbridge", true)
		for _, m := range l.Messages {
			if m.Severity >= support.WarningSev {
				t.Errorf("%s: %s", name, m)
			}
		}
	}
}

func TestTheChartMakesWhatTheAPITakes(t *testing.T) {
	for name, v := range variants {
		text, err := render(t, v.values)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		objects := decode(t, name, []byte(text))
		var kinds []string
		for _, o := range objects {
			kinds = append(kinds, o.GetObjectKind().GroupVersionKind().Kind)
		}
		slices.Sort(kinds)
		if !slices.Equal(kinds, v.kinds) {
			t.Errorf("%s: %v", name, kinds)
		}
		hold(t, name, objects)
		mounts(t, name, objects)
	}
}

// What docs/kubernetes.md shows is what the chart and the API take.
func TestThePageIsTaken(t *testing.T) {
	text, err := render(t, shown(t, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, manifests := range map[string]string{"values.yaml": text, "pod.yaml": shown(t, "pod.yaml")} {
		objects := decode(t, name, []byte(manifests))
		hold(t, name, objects)
		mounts(t, name, objects)
	}
}

// mounts asserts that what is mounted is there, and what is there is mounted.
func mounts(t *testing.T, name string, objects []runtime.Object) {
	t.Helper()
	for _, o := range objects {
		p := podOf(o)
		if p == nil {
			continue
		}
		used := map[string]bool{}
		for _, c := range slices.Concat(p.InitContainers, p.Containers) {
			for _, m := range c.VolumeMounts {
				used[m.Name] = true
				if !slices.ContainsFunc(p.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
					t.Errorf("%s: %s mounts %s, which there is not", name, c.Name, m.Name)
				}
			}
		}
		for _, v := range p.Volumes {
			if !used[v.Name] {
				t.Errorf("%s: nobody mounts %s", name, v.Name)
			}
		}
	}
}

// The probes open a tunnel, and the gateway's policy lets it out by HTTPS and
// to nobody's private network.
func TestTheGatewayIsProbedByATunnel(t *testing.T) {
	text, err := render(t, variants["everything"].values)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range decode(t, "everything", []byte(text)) {
		switch o := o.(type) {
		case *appsv1.Deployment:
			if o.Name != "weighbridge" {
				continue
			}
			c := o.Spec.Template.Spec.Containers[0]
			probe := strings.Join(c.ReadinessProbe.Exec.Command, " ")
			want := "/weighbridge healthcheck --proxy-url=https://127.0.0.1:8080 --ca-file=/etc/weighbridge/tls/ca.crt --server-name=weighbridge.weighbridge.svc --connect=huggingface.co --key=@/etc/weighbridge/probe/key"
			if probe != want {
				t.Errorf("readiness: %s", probe)
			}
			if live := c.LivenessProbe.Exec.Command; live[len(live)-1] != "--live" {
				t.Errorf("liveness: %v", live)
			}
			if o.Spec.Replicas != nil || *o.Spec.Template.Spec.TerminationGracePeriodSeconds < 600 {
				t.Error("replicas beside an autoscaler, or no time to drain")
			}
		case *networkingv1.NetworkPolicy:
			out := o.Spec.Egress[1]
			if len(o.Spec.PolicyTypes) != 2 || out.To[0].IPBlock == nil || !slices.Contains(out.To[0].IPBlock.Except, "169.254.0.0/16") || out.Ports[0].Port.IntValue() != 443 {
				t.Errorf("%+v", o.Spec)
			}
		}
	}
}

func TestTheSchemaRefuses(t *testing.T) {
	for name, values := range map[string]string{
		"latest":              "image: {tag: latest}",
		"an unknown value":    "gateways: {}",
		"an unknown nested":   "gateway: {replica: 2}",
		"a listener":          "gateway: {config: {listen: 'x'}}",
		"a drain":             "gateway: {config: {drain_delay: 1m}}",
		"a label of its own":  "gateway: {podLabels: {app.kubernetes.io/name: x}}",
		"a store":             "gateway: {config: {store: {driver: bbolt}}}",
		"no limits":           "gateway: {resources: {requests: {cpu: 1, memory: 1Gi}, limits: null}}",
		"no replicas":         "gateway: {replicas: 0}",
		"a secret's odd name": "gateway: {secrets: [Hub_Token]}",
		"no digest":           "image: {digest: abc}",
	} {
		if _, err := render(t, values); err == nil || !strings.Contains(err.Error(), "schema") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for values, missing := range map[string]string{
		"inject: {enabled: true, certManager: false}": "inject.tlsSecret",
		"serviceMonitor: {enabled: true}":             "serviceMonitor.tokenSecret.name",
		"tokenReview: {enabled: true}":                "tokenReview.apiServer",
	} {
		if _, err := render(t, values); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}
