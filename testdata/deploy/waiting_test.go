package deploy

import (
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// What a pod waits for that is not there, and whom it calls that does not
// answer, in the model of a cluster.

// check says what of an object would not work now.
func (c *cluster) check(o runtime.Object) {
	c.t.Helper()
	switch o := o.(type) {
	case *corev1.Pod:
		c.mounted(id(o), o.Namespace, &o.Spec)
		for i := range o.Spec.Containers {
			c.calls(o, variables(&o.Spec.Containers[i])["HTTPS_PROXY"])
		}
	case *appsv1.Deployment:
		c.mounted(id(o), o.Namespace, &o.Spec.Template.Spec)
		c.named(o)
	case *admissionregistrationv1.MutatingWebhookConfiguration:
		c.answered(o)
	case *custom[issuerSpec]:
		if o.Spec.CA != nil {
			c.need(id(o), "Secret "+o.Namespace+"/"+o.Spec.CA.SecretName, "tls.key")
		}
	}
}

// need says that by needs a Secret or ConfigMap, and a key in it where one is
// named, that nobody made.
func (c *cluster) need(by, id, key string) {
	c.t.Helper()
	if _, there := c.objects[id]; !there {
		c.t.Errorf("%s: there is no %s yet", by, id)
	} else if key != "" && !slices.Contains(c.keys[id], key) {
		c.t.Errorf("%s: %s has no %s", by, id, key)
	}
}

// mounted asks for all that a pod mounts or takes variables from, and for every
// file below /etc/weighbridge that its command lines, variables and
// configuration name.
func (c *cluster) mounted(by, namespace string, p *corev1.PodSpec) {
	c.t.Helper()
	from := map[string]string{} // volume to object
	for _, v := range p.Volumes {
		switch {
		case v.Secret != nil:
			from[v.Name] = "Secret " + namespace + "/" + v.Secret.SecretName
		case v.ConfigMap != nil:
			from[v.Name] = "ConfigMap " + namespace + "/" + v.ConfigMap.Name
		default:
			continue
		}
		c.need(by, from[v.Name], "")
	}
	for _, s := range p.ImagePullSecrets {
		c.need(by, "Secret "+namespace+"/"+s.Name, ".dockerconfigjson")
	}
	for _, one := range slices.Concat(p.InitContainers, p.Containers) {
		text := strings.Join(append(append([]string{}, one.Command...), one.Args...), " ")
		for _, probe := range []*corev1.Probe{one.StartupProbe, one.LivenessProbe, one.ReadinessProbe} {
			if probe != nil && probe.Exec != nil {
				text += " " + strings.Join(probe.Exec.Command, " ")
			}
		}
		for _, e := range one.Env {
			text += " " + e.Value
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				c.need(by, "Secret "+namespace+"/"+e.ValueFrom.SecretKeyRef.Name, e.ValueFrom.SecretKeyRef.Key)
			}
		}
		for _, m := range one.VolumeMounts {
			if cm, ok := c.objects[from[m.Name]].(*corev1.ConfigMap); ok {
				text += " " + cm.Data["weighbridge.yaml"]
			}
		}
		c.files(by, text, one.VolumeMounts, from)
	}
}

var aFile = regexp.MustCompile(`/etc/weighbridge/[A-Za-z0-9_./-]+`)

// files asks for the files that a text names, by the mounts that hold them.
func (c *cluster) files(by, text string, mounts []corev1.VolumeMount, from map[string]string) {
	c.t.Helper()
	for _, path := range aFile.FindAllString(text, -1) {
		at := slices.IndexFunc(mounts, func(m corev1.VolumeMount) bool {
			return path == m.MountPath || strings.HasPrefix(path, m.MountPath+"/")
		})
		if at < 0 {
			c.t.Errorf("%s: %s is mounted from nowhere", by, path)
			continue
		}
		key := strings.TrimPrefix(strings.TrimPrefix(path, mounts[at].MountPath), "/")
		if mounts[at].SubPath != "" {
			key = mounts[at].SubPath
		}
		c.need(by+": "+path, from[mounts[at].Name], key)
	}
}

// serving is the Service of a name in the cluster, and who stands behind it.
func (c *cluster) serving(host string) (*corev1.Service, *appsv1.Deployment) {
	for _, o := range c.objects {
		s, ok := o.(*corev1.Service)
		if !ok || s.Name+"."+s.Namespace+".svc" != host {
			continue
		}
		for _, o := range c.objects {
			if d, ok := o.(*appsv1.Deployment); ok && d.Namespace == s.Namespace && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels)) {
				return s, d
			}
		}
	}
	return nil, nil
}

// calls says why a worker whose proxy is the gateway would not get through: by
// another scheme than it listens in, to another port, or past a policy.
func (c *cluster) calls(p *corev1.Pod, proxy string) {
	c.t.Helper()
	u, err := url.Parse(strings.ReplaceAll(proxy, "$(WEIGHBRIDGE_KEY)", "KEY"))
	if err != nil {
		c.t.Fatal(err)
	}
	if proxy == "" || u.Hostname() == "127.0.0.1" {
		return
	}
	service, d := c.serving(u.Hostname())
	if d == nil {
		c.t.Errorf("%s: nobody is %s", p.Name, u.Hostname())
		return
	}
	gateway := d.Spec.Template.Spec.Containers[0]
	if scheme := listens(&gateway); u.Scheme != scheme || u.Port() != strconv.Itoa(int(service.Spec.Ports[0].Port)) {
		c.t.Errorf("%s: calls %s, where %s listens on port %d", p.Name, u.Redacted(), scheme, service.Spec.Ports[0].Port)
	}
	for _, port := range gateway.Ports {
		if through := c.through(p, d, port); through != (port.Name == service.Spec.Ports[0].TargetPort.String()) {
			c.t.Errorf("%s: that policies let it through to the gateway's port %s is %v", p.Name, port.Name, through)
		}
	}
}

// listens is the scheme of a gateway's listener.
func listens(gateway *corev1.Container) string {
	if _, ok := variables(gateway)["WEIGHBRIDGE_TLS_CERT_FILE"]; ok {
		return "https"
	}
	return "http"
}

// named says where a gateway's certificate is for others than those who ask: its
// probes, and workers by its Service.
func (c *cluster) named(d *appsv1.Deployment) {
	c.t.Helper()
	gateway := &d.Spec.Template.Spec.Containers[0]
	if listens(gateway) == "http" {
		return
	}
	asked := []string{d.Name + "." + d.Namespace + ".svc"}
	for _, arg := range gateway.ReadinessProbe.Exec.Command {
		if name, ok := strings.CutPrefix(arg, "--server-name="); ok {
			asked = append(asked, name)
		}
	}
	if len(asked) < 2 {
		c.t.Errorf("%s: probes name nobody", d.Name)
	}
	for _, v := range d.Spec.Template.Spec.Volumes {
		for _, o := range c.objects {
			if cert, ok := o.(*custom[certificateSpec]); ok && v.Name == "tls" && cert.Namespace == d.Namespace && cert.Spec.SecretName == v.Secret.SecretName {
				for _, name := range asked {
					if !slices.Contains(cert.Spec.DNSNames, name) {
						c.t.Errorf("%s: its certificate is not for %s", d.Name, name)
					}
				}
				return
			}
		}
	}
	c.t.Errorf("%s: nobody made its certificate", d.Name)
}

// answered says where the API server would not reach the webhook, or not trust
// it.
func (c *cluster) answered(w *admissionregistrationv1.MutatingWebhookConfiguration) {
	c.t.Helper()
	for _, hook := range w.Webhooks {
		host := hook.ClientConfig.Service.Name + "." + hook.ClientConfig.Service.Namespace + ".svc"
		if _, d := c.serving(host); d == nil {
			c.t.Errorf("%s: nobody is %s", w.Name, host)
		}
		if from, ok := w.Annotations["cert-manager.io/inject-ca-from"]; ok {
			if cert, ok := c.objects["Certificate "+from].(*custom[certificateSpec]); !ok || !slices.Contains(cert.Spec.DNSNames, host) {
				c.t.Errorf("%s: %s is no certificate for %s", w.Name, from, host)
			}
			continue
		}
		block, _ := pem.Decode(hook.ClientConfig.CABundle)
		if block == nil {
			c.t.Errorf("%s: caBundle is no PEM", w.Name)
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			c.t.Fatal(err)
		}
		if err := cert.VerifyHostname(host); err != nil {
			c.t.Errorf("%s: %v", w.Name, err)
		}
	}
}
