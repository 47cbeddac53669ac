package inject

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// annotated asks about a pod with the label, these annotations and this spec.
func annotated(t *testing.T, annotations map[string]string, spec string) *response {
	t.Helper()
	text, err := json.Marshal(annotations)
	if err != nil {
		t.Fatal(err)
	}
	_, r := ask(t, "application/json", `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","kind":{"version":"v1","kind":"Pod"},"operation":"CREATE",
		"object":{"metadata":{"labels":{"weighbridge.dev/inject":"true"},"annotations":`+string(text)+`},"spec":`+spec+`}}}`)
	return r
}

// A value that is not just what it should be is refused with a sentence that
// names the annotation and says what to write.
func TestAnnotationsAreReadStrictly(t *testing.T) {
	const port, direct = "weighbridge.dev/port", "weighbridge.dev/direct"
	many := strings.TrimSuffix(strings.Repeat("h,", maxDirect+1), ",")
	for _, c := range []struct{ name, value, says string }{
		{port, "80", "from 1024 to 65535"},
		{port, "1023", "from 1024"},
		{port, "65536", "to 65535"},
		{port, "-1", "no port"},
		{port, "+18080", "no port"},
		{port, "018080", "no port"},
		{port, "0x4000", "no port"},
		{port, "18080 ", "no port"},
		{port, "18080,18081", "no port"},
		{port, "http", "no port"},
		{port, "99999999999999999999", "no port"},
		{direct, ",", "an entry is empty"},
		{direct, "minio,", "an entry is empty"},
		{direct, "*", "leave the label out"},
		{direct, "*.example.com", "write .example.com"},
		{direct, "minio:9000", "write minio"},
		{direct, "http://minio", "neither a host nor a network"},
		{direct, "10.0.0.0/33", "neither a host nor a network"},
		{direct, "10.1.2.3/8", "write 10.0.0.0/8"},
		{direct, "10.0.0", "neither a host nor an address"},
		{direct, "fe80::1%eth0", "neither a host nor an address"},
		{direct, "[fd00::1]", "neither a host nor an address"},
		{direct, "a b", "neither a host nor an address"},
		{direct, "a\nb", "neither a host nor an address"},
		{direct, "$(SECRET)", "neither a host nor an address"},
		{direct, "-a", "neither a host nor an address"},
		{direct, "a..b", "neither a host nor an address"},
		{direct, "bücher.example", "neither a host nor an address"},
		{direct, strings.Repeat("a", 64), "neither a host nor an address"},
		{direct, many, "at most 64"},
		{"weighbridge.dev/config", "A_B", "names no object"},
		{"weighbridge.dev/credentials", "../x", "names no object"},
		{"weighbridge.dev/ca", strings.Repeat("a", 254), "names no object"},
	} {
		r := annotated(t, map[string]string{c.name: c.value}, `{"containers":[{"name":"w"}]}`)
		if r.Allowed || r.Patch != nil || r.Status == nil || r.Status.Reason != "Invalid" || !strings.Contains(r.Status.Message, "annotation "+c.name+": ") || !strings.Contains(r.Status.Message, c.says) {
			t.Errorf("%s: %q: %+v %+v", c.name, c.value, r, r.Status)
		}
	}
}

// The port is the sidecar's and the init step's, and that of every variable;
// what is direct is so for every container and in the file of the init step.
func TestAnnotationsShapeThePod(t *testing.T) {
	const spec = `{"containers":[{"name":"w","ports":[{"containerPort":8080}]}],"initContainers":[{"name":"first"}]}`
	r := annotated(t, map[string]string{"weighbridge.dev/port": "18080", "weighbridge.dev/direct": "minio, .corp.example,10.96.0.0/12,fd00::/8,192.0.2.7,my_db.data"}, spec)
	if !r.Allowed {
		t.Fatalf("%+v", r.Status)
	}
	var p struct {
		InitContainers, Containers []struct {
			Name string
			Args []string
			Env  []struct{ Name, Value string }
		}
	}
	patched := apply(t, spec, r.Patch)
	if err := json.Unmarshal([]byte(patched), &p); err != nil {
		t.Fatal(err)
	}
	const list = "localhost,127.0.0.1,::1,.svc,.cluster.local,minio,.corp.example,10.96.0.0/12,fd00::/8,192.0.2.7,my_db.data,$(KUBERNETES_SERVICE_HOST)"
	env := map[string]string{}
	for _, c := range append(p.InitContainers, p.Containers...) {
		for _, v := range c.Env {
			env[c.Name+" "+v.Name] = v.Value
		}
	}
	for name, want := range map[string]string{
		"w HTTPS_PROXY": "http://127.0.0.1:18080", "w http_proxy": "http://127.0.0.1:18080", "first HTTPS_PROXY": "http://127.0.0.1:18080",
		"w NO_PROXY": list, "w no_proxy": list, "first NO_PROXY": list, "weighbridge WEIGHBRIDGE_LISTEN": "127.0.0.1:18080",
	} {
		if env[name] != want {
			t.Errorf("%s is %q", name, env[name])
		}
	}
	args := strings.Join(p.InitContainers[0].Args, " ")
	if !strings.Contains(args, "--proxy-url http://127.0.0.1:18080 ") || !strings.HasSuffix(args, "--direct .svc --direct .cluster.local --direct minio --direct .corp.example --direct 10.96.0.0/12 --direct fd00::/8 --direct 192.0.2.7 --direct my_db.data") {
		t.Errorf("the init step has %s", args)
	}
	if strings.Contains(patched, "127.0.0.1:8080") {
		t.Error("the usual port is still somewhere")
	}
	// Empty ones say nothing.
	empty := annotated(t, map[string]string{"weighbridge.dev/port": "", "weighbridge.dev/direct": "", "weighbridge.dev/ca": ""}, `{"containers":[{"name":"w"}]}`)
	if bare := labelled(t, `{"containers":[{"name":"w"}]}`); string(empty.Patch) != string(bare.Patch) {
		t.Errorf("empty annotations: %s", empty.Patch)
	}
}

// Two that listen on one port of a pod are refused before one of them fails to
// start for ever.
func TestThePortIsTheSidecarsAlone(t *testing.T) {
	const ports = `"ports":[{"containerPort":%d%s}]`
	for name, c := range map[string]struct {
		spec        string
		annotations map[string]string
		says        string // "" where it is admitted
	}{
		"a container's":         {spec: `{"containers":[{"name":"a"},{"name":"w",` + fmt.Sprintf(ports, 8080, "") + `}]}`, says: `"w" has port 8080`},
		"said to be TCP":        {spec: `{"containers":[{"name":"w",` + fmt.Sprintf(ports, 8080, `,"protocol":"TCP"`) + `}]}`, says: `weighbridge.dev/port: "18080"`},
		"another sidecar's":     {spec: `{"containers":[{"name":"w"}],"initContainers":[{"name":"s",` + fmt.Sprintf(ports, 8080, "") + `}]}`, says: `"s" has port 8080`},
		"the one that is asked": {spec: `{"containers":[{"name":"w",` + fmt.Sprintf(ports, 18080, "") + `}]}`, annotations: map[string]string{"weighbridge.dev/port": "18080"}, says: `weighbridge.dev/port: "18081"`},
		"UDP":                   {spec: `{"containers":[{"name":"w",` + fmt.Sprintf(ports, 8080, `,"protocol":"UDP"`) + `}]}`},
		"another":               {spec: `{"containers":[{"name":"w",` + fmt.Sprintf(ports, 8188, "") + `}]}`},
		"moved out of the way":  {spec: `{"containers":[{"name":"w",` + fmt.Sprintf(ports, 8080, "") + `}]}`, annotations: map[string]string{"weighbridge.dev/port": "18080"}},
	} {
		r := annotated(t, maps.Clone(c.annotations), c.spec)
		if r.Allowed != (c.says == "") || !r.Allowed && (!strings.Contains(r.Status.Message, c.says) || r.Patch != nil) {
			t.Errorf("%s: %+v %+v", name, r, r.Status)
		}
	}
}

// The kubelet pulls the sidecar's image by Secrets of the pod's namespace; what
// the pod has of its own, or its ServiceAccount gave it, stays.
func TestPullSecretsAreAdded(t *testing.T) {
	i, err := New(Options{Image: "weighbridge:1", PullSecrets: []string{"ours", "mirror"}})
	if err != nil {
		t.Fatal(err)
	}
	for has, want := range map[string]string{
		``: `[{"name":"ours"},{"name":"mirror"}]`,
		`,"imagePullSecrets":[{"name":"own"},{"name":"mirror"}]`: `[{"name":"own"},{"name":"mirror"},{"name":"ours"}]`,
	} {
		spec := `{"containers":[{"name":"w"}]` + has + `}`
		r := i.answer(&request{UID: "u", Kind: groupKind{Kind: "Pod"}, Operation: "CREATE", Object: []byte(`{"metadata":{"labels":{"weighbridge.dev/inject":"true"}},"spec":` + spec + `}`)})
		patched := apply(t, spec, r.Patch)
		if !strings.Contains(patched, `"imagePullSecrets":`+want) {
			t.Errorf("%s", patched)
		}
		again := i.answer(&request{UID: "u", Kind: groupKind{Kind: "Pod"}, Operation: "CREATE", Object: []byte(`{"metadata":{"labels":{"weighbridge.dev/inject":"true"}},"spec":` + patched + `}`)})
		if !again.Allowed || again.Patch != nil {
			t.Errorf("again: %s", again.Patch)
		}
	}
	// A pod that names none would have had those of its ServiceAccount.
	for spec, want := range map[string]int{"{containers: [{name: w}]}": 1, "{containers: [{name: w}], imagePullSecrets: [{name: own}]}": 0} {
		_, warnings, err := i.Manifest([]byte("kind: Pod\nspec: " + spec + "\n"))
		if err != nil || len(warnings) != want || want > 0 && !strings.Contains(warnings[0], "ServiceAccount") {
			t.Errorf("%s: %q, %v", spec, warnings, err)
		}
	}
	if _, err := New(Options{Image: "weighbridge:1", PullSecrets: []string{"Ours"}}); err == nil || !strings.Contains(err.Error(), `"Ours" names no object`) {
		t.Errorf("a name that no object has: %v", err)
	}
}

// A manifest's pods get the label as well: policies let a sidecar out by it.
func TestManifestsGetTheLabel(t *testing.T) {
	for metadata, want := range map[string]string{
		"":                               "weighbridge.dev/inject: \"true\"",
		"metadata: {labels: {app: a}}\n": "app: a\n    weighbridge.dev/inject: \"true\"",
		"metadata: {labels: }\n":         "weighbridge.dev/inject: \"true\"",
		"metadata: {labels: {weighbridge.dev/inject: \"false\"}}\n": "weighbridge.dev/inject: \"false\"",
	} {
		out, _, err := injector(t).Manifest([]byte("kind: Pod\n" + metadata + "spec: {containers: [{name: w}]}\n"))
		if err != nil || !strings.Contains(string(out), want) || strings.Count(string(out), "weighbridge.dev/inject") != 1 {
			t.Errorf("%q: %v\n%s", metadata, err, out)
		}
	}
	out, _, err := injector(t).Manifest([]byte("kind: Job\nmetadata: {name: j}\nspec: {template: {spec: {containers: [{name: w}]}}}\n"))
	if err != nil || !strings.Contains(string(out), "  template:\n    metadata:\n      labels:\n        weighbridge.dev/inject: \"true\"") || strings.Count(string(out), "weighbridge.dev/inject") != 1 {
		t.Errorf("a Job: %v\n%s", err, out)
	}
	if _, _, err := injector(t).Manifest([]byte("kind: Pod\nmetadata: {annotations: {weighbridge.dev/port: \"80\"}}\nspec: {containers: [{name: w}]}\n")); err == nil || !strings.Contains(err.Error(), "weighbridge.dev/port") {
		t.Errorf("an annotation that is wrong: %v", err)
	}
}

func FuzzHosts(f *testing.F) {
	for _, seed := range []string{"minio,.svc", "10.96.0.0/12", "::1", "a:1", "*", "$(X)", "a\nb", "fd00::1%e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		out, err := hosts(list)
		if err != nil {
			return
		}
		// It goes into a variable that the kubelet expands and a shell sources.
		if joined := strings.Join(out, ","); strings.ContainsAny(joined, " \t\r\n$()'\"\\*;&|`") || len(joined) > 255*maxDirect {
			t.Errorf("%q gave %q", list, joined)
		}
	})
}
