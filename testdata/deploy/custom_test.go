package deploy

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The kinds of cert-manager, trust-manager and the Prometheus operator, as far
// as they are used here; each of their modules would bring the half of a
// controller. Sources: https://cert-manager.io/docs/reference/api-docs/,
// https://cert-manager.io/docs/trust/trust-manager/api-reference/,
// https://prometheus-operator.dev/docs/api-reference/api/.

type ServiceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

type Issuer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		SelfSigned *struct{} `json:"selfSigned"`
	} `json:"spec"`
}

type ClusterIssuer Issuer

type Certificate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
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
	} `json:"spec"`
}

type Bundle struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
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
	} `json:"spec"`
}

func (o *ServiceMonitor) DeepCopyObject() runtime.Object { c := *o; return &c }
func (o *Issuer) DeepCopyObject() runtime.Object         { c := *o; return &c }
func (o *ClusterIssuer) DeepCopyObject() runtime.Object  { c := *o; return &c }
func (o *Certificate) DeepCopyObject() runtime.Object    { c := *o; return &c }
func (o *Bundle) DeepCopyObject() runtime.Object         { c := *o; return &c }

func addCustom(s *runtime.Scheme) error {
	s.AddKnownTypes(schema.GroupVersion{Group: "monitoring.coreos.com", Version: "v1"}, &ServiceMonitor{})
	s.AddKnownTypes(schema.GroupVersion{Group: "cert-manager.io", Version: "v1"}, &Issuer{}, &ClusterIssuer{}, &Certificate{})
	s.AddKnownTypes(schema.GroupVersion{Group: "trust.cert-manager.io", Version: "v1alpha1"}, &Bundle{})
	return nil
}
