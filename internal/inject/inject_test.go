package inject

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The whole of what a patch makes is held to the typed API in testdata/deploy;
// here is what is refused, and that once is enough.

func ask(t *testing.T, contentType, body string) (int, *response) {
	t.Helper()
	i := injector(t)
	r := httptest.NewRequest(http.MethodPost, "/mutate", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	i.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return w.Code, nil
	}
	var out review
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Response == nil || out.Request != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return w.Code, out.Response
}

// labelled asks about a pod with the label and this spec.
func labelled(t *testing.T, spec string) *response {
	t.Helper()
	_, r := ask(t, "application/json", `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","kind":{"version":"v1","kind":"Pod"},"operation":"CREATE",
		"object":{"metadata":{"labels":{"weighbridge.dev/inject":"true"}},"spec":`+spec+`}}}`)
	if r.UID != "u" {
		t.Errorf("the answer is to %q", r.UID)
	}
	return r
}

func TestWhatCannotBeKeptApartIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ spec, says string }{
		"the node's network": {`{"hostNetwork":true,"containers":[{"name":"w"}]}`, "hostNetwork"},
		"shared processes":   {`{"shareProcessNamespace":true,"containers":[{"name":"w"}]}`, "shareProcessNamespace"},
		"its volume":         {`{"containers":[{"name":"w","volumeMounts":[{"name":"weighbridge-credentials","mountPath":"/x"}]}]}`, `"w" mounts weighbridge-credentials`},
		"its root":           {`{"containers":[{"name":"w"}],"initContainers":[{"name":"first","volumeMounts":[{"name":"weighbridge-ca","mountPath":"/x"}]}]}`, `"first" mounts weighbridge-ca`},
		"its Secret":         {`{"volumes":[{"name":"v","secret":{"secretName":"weighbridge-ca"}}],"containers":[{"name":"w"}]}`, `volume "v"`},
		"projected":          {`{"volumes":[{"name":"v","projected":{"sources":[{"secret":{"name":"weighbridge-credentials"}}]}}],"containers":[{"name":"w"}]}`, `volume "v"`},
		"a variable of it":   {`{"containers":[{"name":"w","env":[{"name":"T","valueFrom":{"secretKeyRef":{"name":"weighbridge-credentials","key":"t"}}}]}]}`, "takes a variable"},
		"all variables":      {`{"containers":[{"name":"w","envFrom":[{"secretRef":{"name":"weighbridge-credentials"}}]}]}`, "takes a variable"},
		"its name":           {`{"containers":[{"name":"weighbridge"}]}`, "sidecar's name"},
		"not a pod":          {`{"containers":7}`, "cannot be read"},
	} {
		r := labelled(t, c.spec)
		if r.Allowed || r.Status == nil || !strings.Contains(r.Status.Message, c.says) || r.Patch != nil {
			t.Errorf("%s: %+v %+v", name, r, r.Status)
		}
	}
}

func TestWhatIsNoReviewIsRefused(t *testing.T) {
	good := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u"}}`
	for name, c := range map[string]struct {
		contentType, body string
		want              int
	}{
		"a review of nothing we know": {"application/json", good, 200},
		"another type":                {"text/plain", good, 415},
		"no JSON":                     {"application/json", "{", 400},
		"another version":             {"application/json", strings.Replace(good, "v1", "v1beta1", 1), 400},
		"no request":                  {"application/json", `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`, 400},
		"too large":                   {"application/json", `{"kind":"` + strings.Repeat("x", maxReview) + `"}`, 400},
	} {
		if code, _ := ask(t, c.contentType, c.body); code != c.want {
			t.Errorf("%s: %d, not %d", name, code, c.want)
		}
	}
}

// A pod that went through once, by whatever way, is left as it is, and a
// container that another webhook adds later still gets its variables.
func TestOnceIsEnough(t *testing.T) {
	spec := `{"containers":[{"name":"w","env":[{"name":"HF_TOKEN","value":"own"}]},{"name":"own","env":[{"name":"https_proxy","value":"http://p"}]}],"initContainers":[{"name":"fetch"}]}`
	first := labelled(t, spec)
	if len(first.Warnings) != 1 || !strings.Contains(first.Warnings[0], `"own"`) {
		t.Errorf("warnings: %q", first.Warnings)
	}
	patched := apply(t, spec, first.Patch)
	if again := labelled(t, patched); !again.Allowed || again.Patch != nil {
		t.Errorf("again: %s", again.Patch)
	}
	if !strings.Contains(patched, `{"name":"HF_TOKEN","value":"own"}`) || strings.Contains(patched, "hf_placeholder\"},{\"name\":\"HF_TOKEN\",\"value\":\"own\"") {
		t.Error("a variable of the pod's own was touched")
	}
	later := strings.Replace(patched, `"containers":[`, `"containers":[{"name":"added"},`, 1)
	more := labelled(t, later)
	var ops []op
	if err := json.Unmarshal(more.Patch, &ops); err != nil || len(ops) != 2 || ops[0].Path != "/spec/containers/0/env" || ops[1].Path != "/spec/containers/0/volumeMounts" {
		t.Errorf("a container that came later: %s", more.Patch)
	}
}

// apply applies operations "add" below /spec.
func apply(t *testing.T, spec string, patch []byte) string {
	t.Helper()
	var doc any
	var ops []op
	if err := json.Unmarshal([]byte(spec), &doc); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(patch, &ops); err != nil {
		t.Fatal(err)
	}
	var add func(at any, path []string, v any) any
	add = func(at any, path []string, v any) any {
		switch at := at.(type) {
		case map[string]any:
			at = maps.Clone(at)
			if len(path) == 1 {
				at[path[0]] = v
			} else {
				at[path[0]] = add(at[path[0]], path[1:], v)
			}
			return at
		case []any:
			n := len(at)
			if path[0] != "-" {
				n, _ = strconv.Atoi(path[0])
			}
			if len(path) == 1 {
				return slices.Insert(slices.Clone(at), n, v)
			}
			at = slices.Clone(at)
			at[n] = add(at[n], path[1:], v)
			return at
		}
		t.Fatalf("nothing at %v", path)
		return nil
	}
	for _, o := range ops {
		doc = add(doc, strings.Split(strings.TrimPrefix(o.Path, "/spec/"), "/"), o.Value)
	}
	var out bytes.Buffer
	if err := json.NewEncoder(&out).Encode(doc); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
