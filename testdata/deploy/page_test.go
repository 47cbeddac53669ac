package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// docs/kubernetes.md is done here command by command, in a real shell whose
// kubectl and helm say what they were asked. A model of a cluster follows them:
// what it refuses, or would leave waiting for ever, the page tells nobody to do.

// pageBlock is a fenced block: what stands behind its backticks (the package
// internal/house/walk says what that means), and what is in it.
type pageBlock struct{ info, text string }

var fenced = regexp.MustCompile("(?ms)^ *```([^\n`]*)\n(.*?)^ *```$")

func page(t *testing.T) (out []pageBlock) {
	t.Helper()
	for _, m := range fenced.FindAllStringSubmatch(string(read(t, root+"/docs/kubernetes.md")), -1) {
		out = append(out, pageBlock{m[1], m[2]})
	}
	return out
}

// word is the value of NAME=VALUE in the info of a block.
func (b pageBlock) word(name string) string {
	for w := range strings.FieldsSeq(b.info) {
		if v, ok := strings.CutPrefix(w, name+"="); ok {
			return v
		}
	}
	return ""
}

// shown is the file of a name that the page shows.
func shown(t *testing.T, name string) string {
	t.Helper()
	for _, b := range page(t) {
		if b.word("file") == name {
			return b.text
		}
	}
	t.Fatalf("the page has no %s", name)
	return ""
}

// stub says into $SAID what it was asked, and refuses a file that is not there.
const stub = `#!/bin/sh
line=${0##*/}
for a in "$@"; do
	line=$line$(printf '\037')$a
	case $a in
	--from-file=*=*) file=${a##*=} ;;
	--from-file=*|--cert=*|--key=*) file=${a#*=} ;;
	*) continue ;;
	esac
	[ -f "$file" ] || { echo "$*: there is no $file" >&2; exit 1; }
done
printf '%s\036' "$line" >>"$SAID"
case "$*" in *jsonpath*) printf c3RhbmQtaW4K ;; esac
`

// follow does what the page says by one of its ways, and returns the cluster
// that comes of it.
func follow(t *testing.T, way string) *cluster {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kubectl", "helm", "docker"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(stub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	deploy, err := filepath.Abs(root + "/deploy")
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{deploy: filepath.Join(dir, "deploy"), program(t): filepath.Join(bin, "weighbridge")} {
		if err := os.Symlink(from, to); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "token.txt"), []byte("hf_token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	said := filepath.Join(dir, "said")
	c := newCluster(t, dir)
	for _, b := range page(t) {
		if name := b.word("file"); name != "" {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		// What asks a gateway is run against one in internal/house/realclients.
		if !strings.HasPrefix(b.info, "sh ") || b.word("way") != "" && b.word("way") != way || strings.Contains(b.text, `"$PROXY`) {
			continue
		}
		if err := os.WriteFile(said, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		sh := exec.Command("sh", "-euc", b.text)
		sh.Dir, sh.Env = dir, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "SAID="+said)
		if out, err := sh.CombinedOutput(); err != nil {
			t.Fatalf("%s%v\n%s", b.text, err, out)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(string(read(t, said)), "\036"), "\036") {
			c.do(strings.Split(line, "\037"))
		}
	}
	return c
}

func TestThePageWorksAsWritten(t *testing.T) {
	for _, way := range []string{"cert-manager", "by-hand"} {
		t.Run(way, func(t *testing.T) {
			c := follow(t, way)
			pods := map[string]*corev1.Pod{}
			for _, o := range c.objects {
				if p, ok := o.(*corev1.Pod); ok {
					pods[p.Name] = p
				}
			}
			for _, name := range []string{"comfyui", "vllm", "train"} {
				if p := pods[name]; p == nil || !slices.ContainsFunc(p.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == "weighbridge" }) {
					t.Errorf("the pod %s has no sidecar", name)
				} else if !c.public(p) {
					t.Errorf("no policy lets the sidecar of %s out", name)
				}
			}
			if p := pods["download"]; p == nil || c.public(p) {
				t.Error("there is no worker of the gateway, or it has another way out")
			}
			// One is there beside the other, whichever was installed last.
			for _, want := range []string{"Deployment weighbridge/weighbridge", "MutatingWebhookConfiguration weighbridge-webhook-inject"} {
				if _, ok := c.objects[want]; !ok {
					t.Errorf("at the end there is no %s", want)
				}
			}
		})
	}
}
