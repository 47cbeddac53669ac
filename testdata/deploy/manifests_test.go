package deploy

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

const manifestDir = root + "/deploy/kubernetes"

func TestManifestsAreWhatTheAPITakes(t *testing.T) {
	var paths []string
	for _, glob := range []string{"*.yaml", "*/*.yaml"} {
		some, err := filepath.Glob(filepath.Join(manifestDir, glob))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, some...)
	}
	if len(paths) < 8 {
		t.Fatalf("%d manifests", len(paths))
	}
	for _, path := range paths {
		objects := decode(t, path, read(t, path))
		hold(t, path, objects)
		mounts(t, path, objects)
	}
}

// The pods of sidecar/ are those of injected/ as the webhook makes them, for
// clusters without it. `go test -update` writes them.
func TestPodsWithASidecarAreWhatTheWebhookMakes(t *testing.T) {
	w := startWebhook(t)
	for _, name := range []string{"comfyui.yaml", "vllm.yaml"} {
		plain := decode(t, name, read(t, filepath.Join(manifestDir, "injected", name)))[0].(*corev1.Pod)
		pod, r := w.admit(reviewOf(t, plain))
		if pod == nil {
			t.Fatalf("%s: refused: %v", name, r.Result)
		}
		// Without the webhook the label says nothing but which policy holds.
		got := manifest(t, pod)
		path := filepath.Join(manifestDir, "sidecar", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := read(t, path); !bytes.Equal(got, want) {
			t.Errorf("%s is not what the webhook makes: go test -update", path)
		}
		// The same by a command, without a cluster.
		out, err := exec.Command(program(t), "inject", "--image", image, "--pod", filepath.Join(manifestDir, "injected", name)).Output()
		if err != nil {
			t.Fatal(err)
		}
		if written := manifest(t, decode(t, "inject --pod", out)[0].(*corev1.Pod)); !bytes.Equal(written, got) {
			t.Errorf("inject --pod makes of %s:\n%s", name, written)
		}
	}
}

// torch asks getpass for a name as it is imported, for the directory of its
// cache, and Python ends with KeyError where neither a variable nor the image's
// passwd has one (torch/_inductor/runtime/cache_dir_utils.py; getpass.getuser):
// an image's passwd does not know a user that only the pod names.
func TestWorkersThatAreANumberHaveAName(t *testing.T) {
	found := 0
	for name, text := range map[string]string{
		"comfyui.yaml": string(read(t, filepath.Join(manifestDir, "injected", "comfyui.yaml"))), "vllm.yaml": string(read(t, filepath.Join(manifestDir, "injected", "vllm.yaml"))),
		"the page's pod.yaml": shown(t, "pod.yaml"),
	} {
		p := decode(t, name, []byte(text))[0].(*corev1.Pod)
		for _, c := range p.Spec.Containers {
			if _, gpu := c.Resources.Limits["nvidia.com/gpu"]; !gpu || p.Spec.SecurityContext.RunAsUser == nil {
				continue
			}
			found++
			v := variables(&c)
			writable := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == v["HOME"] && !m.ReadOnly })
			if v["USER"] == "" && v["LOGNAME"] == "" || !writable {
				t.Errorf("%s: %s is nobody, or has no home: %v", name, c.Name, v)
			}
		}
	}
	if found < 3 {
		t.Errorf("%d of the examples have a GPU", found)
	}
}

// manifest is a pod as people write them: without what only a server says.
func manifest(t *testing.T, p *corev1.Pod) []byte {
	t.Helper()
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	delete(fields, "status")
	delete(fields["metadata"].(map[string]any), "creationTimestamp")
	out, err := yaml.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("# Made from ../injected by the webhook, for clusters without it; held by testdata/deploy.\n"), out...)
}

// The sidecar's configuration is one that weighbridge takes, with the files
// that the comments tell to make.
func TestTheSidecarsConfigurationIsValid(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir)
	for name, text := range map[string]string{"hub-token": "hf_sampleTokenOfTheManifestsTest0123456", "pod-key": "wbk_" + strings.Repeat("0f", 30)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := false
	for _, o := range decode(t, "setup", read(t, filepath.Join(manifestDir, "sidecar-setup.yaml"))) {
		c, ok := o.(*corev1.ConfigMap)
		if !ok {
			continue
		}
		found = true
		if !followed(t, c) {
			t.Error("the record of a pod without a disk is kept nowhere")
		}
		file := filepath.Join(dir, "weighbridge.yaml")
		text := strings.ReplaceAll(c.Data["weighbridge.yaml"], "/etc/weighbridge/credentials/", dir+"/")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program(t), "check", "--config", file)
		cmd.Env = []string{
			"WEIGHBRIDGE_DATA_DIR=off", "WEIGHBRIDGE_STORE_DRIVER=memory", "WEIGHBRIDGE_LISTEN=127.0.0.1:8080", "WEIGHBRIDGE_ADMIN_LISTEN=off",
			"WEIGHBRIDGE_CA_CERT_FILE=" + dir + "/tls.crt", "WEIGHBRIDGE_CA_KEY_FILE=" + dir + "/tls.key",
		}
		if said, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(said), "warning") {
			t.Errorf("%v: %s", err, said)
		}
	}
	if !found {
		t.Error("no ConfigMap")
	}
}

// followed reports whether a configuration sends the record to the standard
// output.
func followed(t *testing.T, c *corev1.ConfigMap) bool {
	t.Helper()
	var file struct {
		Audit struct {
			Followers []struct {
				Type string `json:"type"`
			} `json:"followers"`
		} `json:"audit"`
	}
	if err := yaml.Unmarshal([]byte(c.Data["weighbridge.yaml"]), &file); err != nil {
		t.Fatal(err)
	}
	return len(file.Audit.Followers) == 1 && file.Audit.Followers[0].Type == "stdout"
}

// Nothing leaves the workers' namespace but by a policy, and workers of the
// gateway reach nothing but names and the gateway.
func TestTheGatewayIsTheOnlyWayOut(t *testing.T) {
	deny := false
	for _, o := range decode(t, "policies", read(t, filepath.Join(manifestDir, "networkpolicy.yaml"))) {
		p := o.(*networkingv1.NetworkPolicy)
		if len(p.Spec.PolicyTypes) != 1 || p.Spec.PolicyTypes[0] != networkingv1.PolicyTypeEgress {
			t.Errorf("%s: %v", p.Name, p.Spec.PolicyTypes)
		}
		all := len(p.Spec.PodSelector.MatchLabels) == 0 && len(p.Spec.PodSelector.MatchExpressions) == 0
		deny = deny || all && len(p.Spec.Egress) == 0
		for _, rule := range p.Spec.Egress {
			if len(rule.To) == 0 || len(rule.Ports) == 0 {
				t.Errorf("%s: a rule for everything", p.Name)
			}
			for _, to := range rule.To {
				if to.IPBlock != nil && p.Spec.PodSelector.MatchLabels["weighbridge.dev/inject"] != "true" {
					t.Errorf("%s: an address beyond the cluster", p.Name)
				}
			}
		}
	}
	if !deny {
		t.Error("nothing denies by default")
	}
}

// Compose's file holds to what the image has: a health check to wait for, and
// workers whose network is internal.
func TestComposeWaitsForHealth(t *testing.T) {
	var file struct {
		Services map[string]struct {
			Image     string                       `json:"image"`
			Networks  []string                     `json:"networks"`
			DependsOn map[string]map[string]string `json:"depends_on"`
			ReadOnly  bool                         `json:"read_only"`
			CapDrop   []string                     `json:"cap_drop"`
		} `json:"services"`
		Networks map[string]struct {
			Internal bool `json:"internal"`
		} `json:"networks"`
	}
	if err := yaml.Unmarshal(read(t, root+"/deploy/compose.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	if us := file.Services["weighbridge"]; !us.ReadOnly || len(us.CapDrop) != 1 || us.CapDrop[0] != "ALL" || !file.Networks["inside"].Internal {
		t.Errorf("%+v", us)
	}
	for _, name := range []string{"worker", "comfyui"} {
		s := file.Services[name]
		if s.DependsOn["weighbridge"]["condition"] != "service_healthy" || s.Networks[0] != "inside" || strings.Contains(strings.Join(s.Networks, " "), "outside") || strings.HasSuffix(s.Image, "latest") {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
