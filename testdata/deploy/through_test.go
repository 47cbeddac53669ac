package deploy

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// NetworkPolicies in the model of a cluster
// (https://kubernetes.io/docs/concepts/services-networking/network-policies/):
// who is selected by none for a direction is free in it, who is by some gets
// what one of them allows.

func selects(t *metav1.LabelSelector, of map[string]string) bool {
	s, err := metav1.LabelSelectorAsSelector(t)
	return err == nil && s.Matches(labels.Set(of))
}

// policies are those that hold a pod in a direction.
func (c *cluster) policies(namespace string, of map[string]string, way networkingv1.PolicyType) (out []*networkingv1.NetworkPolicy) {
	for _, o := range c.objects {
		if p, ok := o.(*networkingv1.NetworkPolicy); ok && p.Namespace == namespace && slices.Contains(p.Spec.PolicyTypes, way) && selects(&p.Spec.PodSelector, of) {
			out = append(out, p)
		}
	}
	return out
}

// public reports whether a pod reaches public addresses by HTTPS.
func (c *cluster) public(p *corev1.Pod) bool {
	held := c.policies(p.Namespace, p.Labels, networkingv1.PolicyTypeEgress)
	for _, policy := range held {
		for _, rule := range policy.Spec.Egress {
			if slices.ContainsFunc(rule.To, func(to networkingv1.NetworkPolicyPeer) bool {
				return to.IPBlock != nil && to.IPBlock.CIDR == "0.0.0.0/0"
			}) &&
				opens(rule.Ports, corev1.ContainerPort{ContainerPort: 443}) {
				return true
			}
		}
	}
	return len(held) == 0
}

// through reports whether a pod reaches a port of a Deployment's pods: out of
// its own namespace, and into theirs.
func (c *cluster) through(p *corev1.Pod, d *appsv1.Deployment, port corev1.ContainerPort) bool {
	theirs := d.Spec.Template.Labels
	held := c.policies(p.Namespace, p.Labels, networkingv1.PolicyTypeEgress)
	out := len(held) == 0
	for _, policy := range held {
		for _, rule := range policy.Spec.Egress {
			out = out || among(rule.To, policy.Namespace, d.Namespace, theirs) && opens(rule.Ports, port)
		}
	}
	held = c.policies(d.Namespace, theirs, networkingv1.PolicyTypeIngress)
	in := len(held) == 0
	for _, policy := range held {
		for _, rule := range policy.Spec.Ingress {
			in = in || among(rule.From, policy.Namespace, p.Namespace, p.Labels) && opens(rule.Ports, port)
		}
	}
	return out && in
}

// among reports whether a pod is one of a rule's peers; of none is of all.
func among(peers []networkingv1.NetworkPolicyPeer, home, namespace string, of map[string]string) bool {
	return len(peers) == 0 || slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool {
		switch {
		case p.IPBlock != nil:
			return false
		case p.NamespaceSelector == nil && namespace != home:
			return false
		case p.NamespaceSelector != nil && !selects(p.NamespaceSelector, map[string]string{"kubernetes.io/metadata.name": namespace}):
			return false
		}
		return p.PodSelector == nil || selects(p.PodSelector, of)
	})
}

// opens reports whether a rule's ports have this one; none is all.
func opens(ports []networkingv1.NetworkPolicyPort, port corev1.ContainerPort) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		return p.Port == nil || *p.Port == intstr.FromInt32(port.ContainerPort) || *p.Port == intstr.FromString(port.Name)
	})
}
