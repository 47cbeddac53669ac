package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// secrets are the Secrets of a namespace, and the ConfigMaps that a cluster puts
// there: by name, the values by key.
type secrets map[string]map[string]string

// pod is one of the rendered chart, as far as it runs without a cluster: the
// command of its container, with its volumes below a directory of the test and
// on ports of the system's choice.
type pod struct {
	*process
	dir  string
	spec *corev1.PodSpec
}

// startPod does a kubelet's part for the Deployment of that name. args are added
// to the container's.
func startPod(t *testing.T, objects []runtime.Object, name string, have secrets, args ...string) *pod {
	t.Helper()
	p := &pod{dir: t.TempDir()}
	configs := secrets{}
	for _, o := range objects {
		switch o := o.(type) {
		case *corev1.ConfigMap:
			configs[o.Name] = o.Data
		case *appsv1.Deployment:
			if o.Name == name {
				p.spec = &o.Spec.Template.Spec
			}
		}
	}
	if p.spec == nil {
		t.Fatalf("there is no Deployment %s", name)
	}
	c := p.container()
	for _, m := range c.VolumeMounts {
		p.mount(t, m, configs, have)
	}
	argv := make([]string, 0, len(c.Args)+len(args))
	for _, a := range c.Args {
		argv = append(argv, p.place(a))
	}
	p.process = launch(t, p.environ(), append(argv, args...)...)
	return p
}

func (p *pod) container() *corev1.Container { return &p.spec.Containers[0] }

// mount writes what a volume holds below the directory. A Secret or a ConfigMap
// that is not there keeps a pod from starting.
func (p *pod) mount(t *testing.T, m corev1.VolumeMount, configs, have secrets) {
	t.Helper()
	for _, v := range p.spec.Volumes {
		if v.Name != m.Name {
			continue
		}
		switch {
		case v.ConfigMap != nil:
			p.write(t, m, v.ConfigMap.Name, configs[v.ConfigMap.Name])
		case v.Secret != nil:
			p.write(t, m, v.Secret.SecretName, have[v.Secret.SecretName])
		case v.Projected != nil:
			for _, s := range v.Projected.Sources {
				if s.ServiceAccountToken != nil {
					p.write(t, m, "", map[string]string{s.ServiceAccountToken.Path: "a token of the cluster"})
				}
				if s.ConfigMap != nil {
					p.write(t, m, s.ConfigMap.Name, have[s.ConfigMap.Name])
				}
			}
		}
	}
}

func (p *pod) write(t *testing.T, m corev1.VolumeMount, name string, files map[string]string) {
	t.Helper()
	if files == nil {
		t.Fatalf("the volume %s: there is no %q", m.Name, name)
	}
	dir := p.place(m.MountPath + "/")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for key, value := range files {
		if err := os.WriteFile(filepath.Join(dir, key), []byte(p.place(value)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// place is a text of the pod with its paths and ports where they are here.
func (p *pod) place(text string) string {
	return strings.NewReplacer("/etc/weighbridge/", p.dir+"/etc/weighbridge/", "/var/run/", p.dir+"/var/run/", "0.0.0.0:8080", "0.0.0.0:0", "0.0.0.0:8081", "0.0.0.0:0").Replace(text)
}

// environ is the container's environment. The image's roots are those of the
// listener.
func (p *pod) environ() []string {
	out := []string{"SSL_CERT_FILE=" + p.place("/etc/weighbridge/tls/tls.crt")}
	for _, e := range p.container().Env {
		out = append(out, e.Name+"="+p.place(e.Value))
	}
	return out
}

var gatewayLine = regexp.MustCompile(`"proxy":"(https?)://127\.0\.0\.1:(\d+)","admin":"http://127\.0\.0\.1:(\d+)"`)

// serving waits until a gateway serves. Its ports are by the name that the
// container gives them.
func (p *pod) serving() map[string]string {
	p.t.Helper()
	var m []string
	p.until("it serves", func() bool {
		m = gatewayLine.FindStringSubmatch(p.log.String())
		return m != nil
	})
	here := map[int32]string{8080: m[2], 8081: m[3]}
	out := map[string]string{}
	for _, port := range p.container().Ports {
		out[port.Name] = here[port.ContainerPort]
	}
	return out
}

// probe runs a probe by a command, as the kubelet does, and returns what it says
// where it fails.
func (p *pod) probe(probe *corev1.Probe) string {
	p.t.Helper()
	at := "127.0.0.1:" + p.serving()["proxy"]
	var args []string
	for _, a := range probe.Exec.Command[1:] {
		args = append(args, p.place(strings.ReplaceAll(a, "127.0.0.1:8080", at)))
	}
	cmd := exec.Command(program(p.t), args...)
	cmd.Env = append(p.environ(), "WEIGHBRIDGE_LISTEN="+at)
	said, err := cmd.CombinedOutput()
	if err != nil && len(said) == 0 {
		return err.Error()
	}
	return string(said)
}
