package deploy

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// faults of a pod are where it asks for more than it needs: the Pod Security
// Standard "restricted", and images, limits and file systems beside it.
func faults(p *corev1.PodSpec) (out []string) {
	say := func(what string) { out = append(out, what) }
	if p.HostNetwork || p.HostPID || p.HostIPC || p.ShareProcessNamespace != nil && *p.ShareProcessNamespace {
		say("shares namespaces")
	}
	if p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken {
		say("mounts a token of its service account")
	}
	for _, v := range p.Volumes {
		if v.HostPath != nil {
			say(v.Name + ": a path of the node")
		}
		if v.EmptyDir != nil && v.EmptyDir.SizeLimit == nil {
			say(v.Name + ": no size limit")
		}
	}
	outer := p.SecurityContext
	if outer == nil {
		outer = &corev1.PodSecurityContext{}
	}
	for _, c := range slices.Concat(p.InitContainers, p.Containers) {
		say := func(what string) { out = append(out, c.Name+": "+what) }
		name := c.Image[strings.LastIndexByte(c.Image, '/')+1:]
		if !strings.ContainsAny(name, ":@") || strings.HasSuffix(name, ":latest") {
			say("no version in the image " + c.Image)
		}
		for _, list := range []corev1.ResourceList{c.Resources.Limits, c.Resources.Requests} {
			if list.Cpu().IsZero() || list.Memory().IsZero() {
				say("no requests, or no limits")
			}
		}
		s := c.SecurityContext
		if s == nil {
			say("no security context")
			continue
		}
		is := func(b *bool) bool { return b != nil && *b }
		if !is(s.RunAsNonRoot) && !is(outer.RunAsNonRoot) {
			say("may run as root")
		}
		for _, u := range []*int64{s.RunAsUser, outer.RunAsUser} {
			if u != nil && *u == 0 {
				say("runs as root")
			}
		}
		if s.RunAsUser == nil && outer.RunAsUser == nil {
			say("runs as whom the image says")
		}
		if !is(s.ReadOnlyRootFilesystem) {
			say("may write its root file system")
		}
		if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || is(s.Privileged) {
			say("may gain privileges")
		}
		if s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
			say("keeps capabilities")
		}
		seccomp := s.SeccompProfile
		if seccomp == nil {
			seccomp = outer.SeccompProfile
		}
		if seccomp == nil || seccomp.Type != corev1.SeccompProfileTypeRuntimeDefault {
			say("no seccomp profile")
		}
	}
	return out
}

// podOf is the pod that an object makes, or nil.
func podOf(o runtime.Object) *corev1.PodSpec {
	switch o := o.(type) {
	case *corev1.Pod:
		return &o.Spec
	case *appsv1.Deployment:
		return &o.Spec.Template.Spec
	}
	return nil
}

func hold(t *testing.T, name string, objects []runtime.Object) {
	t.Helper()
	for _, o := range objects {
		if p := podOf(o); p != nil {
			for _, f := range faults(p) {
				t.Errorf("%s: %s", name, f)
			}
		}
	}
}

// The policy finds what it is there for.
func TestThePolicyFindsFaults(t *testing.T) {
	yes := true
	p := &corev1.PodSpec{
		HostNetwork: true, Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}},
		Containers: []corev1.Container{{Name: "bare", Image: "x:latest"}, {Name: "root", Image: "r/x", SecurityContext: &corev1.SecurityContext{Privileged: &yes}}},
	}
	said := strings.Join(faults(p), "\n")
	for _, want := range []string{
		"shares namespaces", "mounts a token", "path of the node", "bare: no version", "bare: no requests", "bare: no security context",
		"root: no version", "root: may run as root", "root: may write", "root: may gain", "root: keeps capabilities", "root: no seccomp",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("not found: %s", want)
		}
	}
}
