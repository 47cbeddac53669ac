// Package inject is the mutating admission webhook that gives a pod its own
// weighbridge: the label weighbridge.dev/inject: "true" adds a native sidecar,
// an init step that writes the CA bundle and the environment block, and the
// variables to every container. What a pod says itself stands, and a pod that
// went through once is not changed again.
//
// The few fields of AdmissionReview and Pod that it reads are written down
// here: the typed API would bring some forty modules into the program for
// fifteen fields. testdata/deploy holds both to that API, decoded strictly.
//
// Sources: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
// and https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/.
package inject
