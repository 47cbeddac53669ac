package inject

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
)

// apiVersion and kind of the reviews that are read and written.
const (
	apiVersion = "admission.k8s.io/v1"
	kind       = "AdmissionReview"
)

// maxReview bounds a review: an API server takes objects of 3 MiB at most
// (its --max-request-bytes in etcd is 1.5 MiB), and a review holds one.
const maxReview = 4 << 20

type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID       string          `json:"uid"`
	Kind      groupKind       `json:"kind"`
	Operation string          `json:"operation"`
	Object    json.RawMessage `json:"object"`
}

type groupKind struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
}

type response struct {
	UID      string   `json:"uid"`
	Allowed  bool     `json:"allowed"`
	Status   *status  `json:"status,omitempty"`
	Patch    []byte   `json:"patch,omitempty"` // base64, as encoding/json writes bytes
	Type     string   `json:"patchType,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

type status struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Handler answers reviews on /mutate, and /healthz.
func (i *Injector) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("POST /mutate", func(w http.ResponseWriter, r *http.Request) {
		if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
			http.Error(w, "an AdmissionReview in application/json is expected", http.StatusUnsupportedMediaType)
			return
		}
		var in review
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxReview)).Decode(&in); err != nil {
			http.Error(w, "that is not an AdmissionReview: "+err.Error(), http.StatusBadRequest)
			return
		}
		if in.APIVersion != apiVersion || in.Kind != kind || in.Request == nil {
			http.Error(w, "an "+kind+" of "+apiVersion+" with a request is expected", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		// What fails here is the API server's connection; it asks again.
		_ = json.NewEncoder(w).Encode(review{APIVersion: apiVersion, Kind: kind, Response: i.answer(in.Request)})
	})
	return mux
}

// answer decides on one review. What cannot be read, or cannot be given a
// sidecar that keeps its secrets, is refused: a labelled pod never starts
// without its weighbridge.
func (i *Injector) answer(in *request) *response {
	out := &response{UID: in.UID}
	refuse := func(code int, reason string, err error) *response {
		out.Status = &status{Code: code, Reason: reason, Message: "weighbridge: " + err.Error()}
		return out
	}
	if in.Kind != (groupKind{Kind: "Pod"}) || in.Operation != "CREATE" {
		out.Allowed = true // the webhook's rules ask for nothing else
		return out
	}
	var p pod
	if err := json.Unmarshal(in.Object, &p); err != nil {
		return refuse(http.StatusBadRequest, "BadRequest", errors.New("the pod cannot be read: "+err.Error()))
	}
	if p.Metadata.Labels[Label] != "true" {
		out.Allowed = true
		return out
	}
	ops, warnings, err := i.mutate(&p)
	if err != nil {
		return refuse(http.StatusUnprocessableEntity, "Invalid", err)
	}
	out.Allowed, out.Warnings = true, warnings
	if len(ops) > 0 {
		patch, err := json.Marshal(ops)
		if err != nil {
			return refuse(http.StatusInternalServerError, "InternalError", err)
		}
		out.Patch, out.Type = patch, "JSONPatch"
	}
	return out
}
