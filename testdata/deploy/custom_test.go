package deploy

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The kinds of cert-manager, trust-manager and the Prometheus operator, as far
// as they are used here; each of their modules would bring the half of a
// controller. Sources: https://cert-manager.io/docs/reference/api-docs/,
// https://cert-manager.io/docs/trust/trust-manager/api-reference/,
// https://prometheus-operator.dev/docs/api-reference/api/.

// custom is an object of one of them.
type custom[S any] struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              S `json:"spec"`
}

// DeepCopyObject implements runtime.Object.
func (o *custom[S]) DeepCopyObject() runtime.Object { c := *o; return &c }

type serviceMonitorSpec struct {
	Selector  metav1.LabelSelector `json:"selector"`
	Endpoints []struct {
		Port     string `json:"port"`
		Path     string `json:"path"`
		Interval string `json:"interval"`
		// Authorization is what is sent: the type, and the value in the Secret.
		Authorization struct {
			Type        string                   `json:"type"`
			Credentials corev1.SecretKeySelector `json:"credentials"`
		} `json:"authorization"`
	} `json:"endpoints"`
}

type issuerSpec struct {
	SelfSigned *struct{} `json:"selfSigned"`
	CA         *struct {
		SecretName string `json:"secretName"`
	} `json:"ca"`
}

type certificateSpec struct {
	IsCA       bool             `json:"isCA"`
	CommonName string           `json:"commonName"`
	DNSNames   []string         `json:"dnsNames"`
	SecretName string           `json:"secretName"`
	Duration   *metav1.Duration `json:"duration"`
	PrivateKey struct {
		Algorithm      string `json:"algorithm"`
		Size           int    `json:"size"`
		RotationPolicy string `json:"rotationPolicy"`
	} `json:"privateKey"`
	IssuerRef struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
	} `json:"issuerRef"`
}

type bundleSpec struct {
	Sources []struct {
		UseDefaultCAs *bool `json:"useDefaultCAs"`
		ConfigMap     *struct {
			Name string `json:"name"`
			Key  string `json:"key"`
		} `json:"configMap"`
	} `json:"sources"`
	Target struct {
		ConfigMap *struct {
			Key string `json:"key"`
		} `json:"configMap"`
		NamespaceSelector metav1.LabelSelector `json:"namespaceSelector"`
	} `json:"target"`
}

func addCustom(s *runtime.Scheme) error {
	monitoring := schema.GroupVersion{Group: "monitoring.coreos.com", Version: "v1"}
	certs := schema.GroupVersion{Group: "cert-manager.io", Version: "v1"}
	trust := schema.GroupVersion{Group: "trust.cert-manager.io", Version: "v1alpha1"}
	s.AddKnownTypeWithName(monitoring.WithKind("ServiceMonitor"), &custom[serviceMonitorSpec]{})
	s.AddKnownTypeWithName(certs.WithKind("Issuer"), &custom[issuerSpec]{})
	s.AddKnownTypeWithName(certs.WithKind("ClusterIssuer"), &custom[issuerSpec]{})
	s.AddKnownTypeWithName(certs.WithKind("Certificate"), &custom[certificateSpec]{})
	s.AddKnownTypeWithName(trust.WithKind("Bundle"), &custom[bundleSpec]{})
	return nil
}
