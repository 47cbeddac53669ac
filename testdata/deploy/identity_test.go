package deploy

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// The gateway's ServiceAccount may be a cloud's identity, and may ask the
// cluster about tokens; the webhook's is another, and may nothing.
func TestTheGatewayHasAnIdentityOfItsOwn(t *testing.T) {
	objects := rendered(t, variants["everything"].values)
	deployment := func(name string) *corev1.PodTemplateSpec {
		return &find(t, objects, func(d *appsv1.Deployment) bool { return d.Name == name }).Spec.Template
	}
	account := func(name string) *corev1.ServiceAccount {
		return find(t, objects, func(a *corev1.ServiceAccount) bool { return a.Name == name })
	}
	gateway, webhook := deployment("weighbridge"), deployment("weighbridge-inject")
	ours, others := account(gateway.Spec.ServiceAccountName), account(webhook.Spec.ServiceAccountName)
	if ours.Annotations["azure.workload.identity/client-id"] != "id" || gateway.Labels["azure.workload.identity/use"] != "true" {
		t.Errorf("%v, %v", ours.Annotations, gateway.Labels)
	}
	if ours.Name == others.Name || len(others.Annotations) > 0 || webhook.Labels["azure.workload.identity/use"] != "" {
		t.Errorf("the webhook has the gateway's identity: %v", others)
	}

	role := find(t, objects, func(*rbacv1.ClusterRole) bool { return true })
	if len(role.Rules) != 1 || !slices.Equal(role.Rules[0].APIGroups, []string{"authentication.k8s.io"}) ||
		!slices.Equal(role.Rules[0].Resources, []string{"tokenreviews"}) || !slices.Equal(role.Rules[0].Verbs, []string{"create"}) {
		t.Errorf("%+v", role.Rules)
	}
	binding := find(t, objects, func(*rbacv1.ClusterRoleBinding) bool { return true })
	if binding.RoleRef.Name != role.Name || len(binding.Subjects) != 1 || binding.Subjects[0].Name != ours.Name || binding.Subjects[0].Namespace != ours.Namespace {
		t.Errorf("%+v", binding)
	}

	policy := find(t, objects, func(*networkingv1.NetworkPolicy) bool { return true })
	ways := map[string]int{}
	for _, rule := range policy.Spec.Egress {
		for _, to := range rule.To {
			if to.IPBlock != nil {
				ways[to.IPBlock.CIDR] = rule.Ports[0].Port.IntValue()
			}
		}
	}
	if ways["10.0.0.4/32"] != 443 || ways["169.254.170.23/32"] != 80 {
		t.Errorf("%v", ways)
	}
	plain := find(t, rendered(t, ""), func(*networkingv1.NetworkPolicy) bool { return true })
	if len(plain.Spec.Egress) != 2 {
		t.Errorf("%+v", plain.Spec.Egress)
	}
}

// What is served without a disk is on record on the standard output, unless the
// values say otherwise.
func TestTheGatewaysRecordIsKept(t *testing.T) {
	for values, want := range map[string]bool{"": true, variants["everything"].values: true, "gateway: {config: {audit: null}}": false} {
		c := find(t, rendered(t, values), func(*corev1.ConfigMap) bool { return true })
		if followed(t, c) != want {
			t.Errorf("%q: %s", values, c.Data["weighbridge.yaml"])
		}
	}
}
