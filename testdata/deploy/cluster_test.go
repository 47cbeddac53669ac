package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/strvals"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
)

// cluster is as much of one as can refuse a command, or say that a pod would
// wait for ever: names that are taken, namespaces and objects that are not there.
type cluster struct {
	t *testing.T
	// dir is where commands find their files.
	dir string
	// objects by "KIND NAMESPACE/NAME", or "KIND NAME"; nil where only the name
	// is known.
	objects map[string]runtime.Object
	// keys are those of Secrets and ConfigMaps, by the same names.
	keys map[string][]string
	// releases are Helm's: which objects are theirs.
	releases map[string][]string
}

func newCluster(t *testing.T, dir string) *cluster {
	t.Helper()
	c := &cluster{t, dir, map[string]runtime.Object{}, map[string][]string{}, map[string][]string{}}
	// kube-system and default are every cluster's; who has cert-manager and
	// trust-manager has them in the namespace of their documentation.
	for _, name := range []string{"kube-system", "default", "cert-manager"} {
		c.objects["Namespace "+name] = nil
	}
	return c
}

// words are those of a command line, and its options by their names, each with
// what it was given. An option with one hyphen takes the next word, and --set.
func words(line []string) (words []string, options map[string][]string) {
	options = map[string][]string{}
	for i := 0; i < len(line); i++ {
		name, value, has := strings.Cut(line[i], "=")
		switch {
		case !strings.HasPrefix(name, "-"):
			words = append(words, line[i])
			continue
		case name == "--set" || !strings.HasPrefix(name, "--"):
			if !has && i+1 < len(line) {
				i++
				value = line[i]
			}
		}
		options[name] = append(options[name], value)
	}
	return words, options
}

// do follows a command.
func (c *cluster) do(line []string) {
	c.t.Helper()
	said, options := words(line)
	namespace := "default"
	if n := options["-n"]; len(n) > 0 {
		namespace = n[0]
	}
	refuse := func(why string) { c.t.Errorf("%s: %s", strings.Join(line, " "), why) }
	what := strings.Join(said[:min(2, len(said))], " ")
	switch {
	case what == "" || said[0] == "docker":
	case what == "kubectl apply":
		for _, file := range options["-f"] {
			for _, o := range decode(c.t, file, read(c.t, filepath.Join(c.dir, file))) {
				o = c.admit(o)
				c.make(o)
				c.check(o)
			}
		}
	case what == "kubectl create" && len(said) > 3:
		kind := map[string]string{"secret": "Secret", "configmap": "ConfigMap"}[said[2]]
		id := kind + " " + namespace + "/" + said[len(said)-1]
		if _, there := c.objects[id]; there || kind == "" {
			refuse("already exists, or is nothing that is known here")
		}
		c.within(id, namespace)
		c.objects[id], c.keys[id] = nil, keysOf(options)
		if kind == "Secret" && said[3] == "tls" {
			c.keys[id] = []string{"tls.crt", "tls.key"}
		}
	case what == "kubectl get" && len(said) == 4, what == "kubectl wait", what == "kubectl port-forward":
		name := strings.Join(said[2:], "/")
		kind, name, _ := strings.Cut(name, "/")
		name, _, _ = strings.Cut(name, "/") // behind it is a port
		kind = map[string]string{"secret": "Secret", "certificate": "Certificate", "svc": "Service"}[kind]
		if _, there := c.objects[kind+" "+namespace+"/"+name]; !there {
			refuse("not found")
		}
	case said[0] == "helm" && len(said) == 4:
		_, there := c.releases[namespace+"/"+said[2]]
		_, either := options["--install"]
		switch {
		case said[1] == "install" && there:
			refuse("cannot re-use a name that is still in use")
		case said[1] == "upgrade" && !there && !either:
			refuse("has no deployed releases")
		}
		c.release(namespace, said[2], options)
	default:
		refuse("the model does not know this command")
	}
}

// keysOf are the keys of what `kubectl create` is told to make of files and
// literals.
func keysOf(options map[string][]string) (out []string) {
	for _, option := range []string{"--from-file", "--from-literal"} {
		for _, value := range options[option] {
			key, _, _ := strings.Cut(value, "=")
			out = append(out, filepath.Base(key))
		}
	}
	return out
}

// release renders the chart for a release in place of what it had.
func (c *cluster) release(namespace, name string, options map[string][]string) {
	c.t.Helper()
	values := map[string]any{}
	for _, file := range options["-f"] {
		values = chartutil.CoalesceTables(parse(c.t, string(read(c.t, filepath.Join(c.dir, file)))), values)
	}
	for _, set := range options["--set"] {
		if err := strvals.ParseInto(set, values); err != nil {
			c.t.Fatal(err)
		}
	}
	text, err := renderAs(c.t, name, namespace, values)
	if err != nil {
		c.t.Fatalf("release %s: %v", name, err)
	}
	for _, id := range c.releases[namespace+"/"+name] {
		delete(c.objects, id)
	}
	c.releases[namespace+"/"+name] = nil
	made := decode(c.t, name, []byte(text))
	for _, o := range made {
		if _, there := c.objects[id(o)]; there {
			c.t.Errorf("release %s: %s exists and is not this release's", name, id(o))
		}
		c.releases[namespace+"/"+name] = append(c.releases[namespace+"/"+name], id(o))
		c.make(o)
	}
	for _, o := range made {
		c.check(o)
	}
}

func id(o runtime.Object) string {
	m, err := meta.Accessor(o)
	if err != nil {
		panic(err) // whatever has a kind has a name
	}
	name := m.GetName()
	if m.GetNamespace() != "" {
		name = m.GetNamespace() + "/" + name
	}
	return o.GetObjectKind().GroupVersionKind().Kind + " " + name
}

// within says where an object's namespace is not there yet.
func (c *cluster) within(id, namespace string) {
	c.t.Helper()
	if _, there := c.objects["Namespace "+namespace]; namespace != "" && !there {
		c.t.Errorf("%s: its namespace is not there yet", id)
	}
}

// make puts an object into the cluster, and what its controller makes of it.
func (c *cluster) make(o runtime.Object) {
	c.t.Helper()
	m, err := meta.Accessor(o)
	if err != nil {
		c.t.Fatal(err)
	}
	c.within(id(o), m.GetNamespace())
	c.objects[id(o)] = o
	switch o := o.(type) {
	case *corev1.ConfigMap:
		for key := range o.Data {
			c.keys[id(o)] = append(c.keys[id(o)], key)
		}
	case *custom[certificateSpec]:
		secret := "Secret " + o.Namespace + "/" + o.Spec.SecretName
		c.objects[secret], c.keys[secret] = nil, []string{"tls.crt", "tls.key", "ca.crt"}
	case *custom[bundleSpec]:
		for _, s := range o.Spec.Sources {
			if s.ConfigMap != nil {
				c.need(id(o), "ConfigMap cert-manager/"+s.ConfigMap.Name, s.ConfigMap.Key)
			}
		}
		into := "ConfigMap " + o.Spec.Target.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] + "/" + o.Name
		c.objects[into], c.keys[into] = nil, []string{o.Spec.Target.ConfigMap.Key}
	}
}

// admit is what the webhook makes of a pod with the label, where it is there:
// by the program, with the options that the chart gives it.
func (c *cluster) admit(o runtime.Object) runtime.Object {
	c.t.Helper()
	p, ok := o.(*corev1.Pod)
	if !ok || p.Labels["weighbridge.dev/inject"] != "true" {
		return o
	}
	for name, o := range c.objects {
		d, ok := o.(*appsv1.Deployment)
		if !ok || !strings.HasSuffix(name, "-inject") {
			continue
		}
		file := filepath.Join(c.dir, p.Name+"-asked.yaml")
		if err := os.WriteFile(file, manifest(c.t, p), 0o600); err != nil {
			c.t.Fatal(err)
		}
		out, err := exec.Command(program(c.t), asCommand(d, file)...).Output()
		if err != nil {
			c.t.Fatalf("%s: %v", name, err)
		}
		return decode(c.t, p.Name, out)[0]
	}
	return o
}

// asCommand are the arguments of the webhook's Deployment, for the pods of a
// file in place of a server.
func asCommand(d *appsv1.Deployment, file string) []string {
	var args []string
	for _, a := range d.Spec.Template.Spec.Containers[0].Args {
		if !strings.HasPrefix(a, "--tls-") {
			args = append(args, a)
		}
	}
	return append(args, "--pod="+file)
}
