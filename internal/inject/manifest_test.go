package inject

import (
	"encoding/json"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func injector(t testing.TB) *Injector {
	t.Helper()
	i, err := New(Options{Image: "weighbridge:1", Placeholder: "hf_placeholder"})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// Whatever makes a pod gets what a Pod gets, other documents stay as they are,
// and a manifest that went through once is not changed again.
func TestManifestsGetWhatTheWebhookAdds(t *testing.T) {
	const spec = "{containers: [{name: w, image: w:1, env: [{name: A, value: b}]}], initContainers: [{name: first, image: f:1}], volumes: [{name: v, emptyDir: {}}]}"
	for kind, wrap := range map[string]string{
		"Pod": "spec: SPEC", "Deployment": "spec: {replicas: 2, template: {spec: SPEC}}", "StatefulSet": "spec: {template: {spec: SPEC}}", "DaemonSet": "spec: {template: {spec: SPEC}}",
		"ReplicaSet": "spec: {template: {spec: SPEC}}", "Job": "spec: {template: {spec: SPEC}}", "CronJob": "spec: {jobTemplate: {spec: {template: {spec: SPEC}}}}",
	} {
		const other = "apiVersion: v1\nkind: ConfigMap # as it was\nmetadata: {name: c}\n"
		out, warnings, err := injector(t).Manifest([]byte(other + "---\nkind: " + kind + "\n" + strings.ReplaceAll(wrap, "SPEC", spec) + "\n"))
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v, %q", kind, err, warnings)
			continue
		}
		first, second, _ := strings.Cut(string(out), "---\n")
		if first != other {
			t.Errorf("%s: the other document is %q", kind, first)
		}
		var document map[string]any
		if err := yaml.Unmarshal([]byte(second), &document); err != nil {
			t.Fatal(err)
		}
		for _, name := range templates[kind] {
			document = document[name].(map[string]any)
		}
		text, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		var p pod
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range p.Spec.InitContainers {
			names = append(names, c.Name)
		}
		w := p.Spec.Containers[0]
		if strings.Join(names, " ") != "weighbridge-init weighbridge first" || len(p.Spec.Volumes) != 5 || w.Env[0].Name != "A" || len(w.Env) < 10 || !isWorkerMount(w.VolumeMounts[0]) {
			t.Errorf("%s: %v, %s", kind, names, text)
		}
		if !strings.Contains(second, "runAsUser: 65532\n") || !strings.Contains(second, "defaultMode: 292\n") {
			t.Errorf("%s: numbers are written otherwise:\n%s", kind, second)
		}
		if again, _, err := injector(t).Manifest(out); err != nil || string(again) != string(out) {
			t.Errorf("%s: the second time %v:\n%s", kind, err, again)
		}
	}
}

func TestManifestsThatGetNothing(t *testing.T) {
	for text, says := range map[string]string{
		"":                                 "there is no pod in it",
		"kind: Service\n":                  "there is no pod in it",
		"kind: Pod\n":                      "no containers",
		"kind: Deployment\nspec: {}\n":     "there is no pod at spec.template",
		"kind: Pod\nspec: {containers: 7}": "cannot be read",
		"- a\n":                            "no object",
		"a: [":                             "",
		"kind: Pod\nspec: {hostNetwork: true, containers: [{name: w}]}\n": "hostNetwork",
	} {
		if out, _, err := injector(t).Manifest([]byte(text)); err == nil || out != nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, %s", text, err, out)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte("kind: Pod\nspec: {containers: [{name: w}]}\n"))
	f.Add([]byte("kind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{name: w, env: []}]}}}}}\n---\na: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		i := injector(t)
		out, _, err := i.Manifest(text)
		if err != nil {
			return
		}
		if _, _, err := i.Manifest(out); err != nil {
			t.Errorf("what came out is not taken: %v\n%s", err, out)
		}
	})
}
