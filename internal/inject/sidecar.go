package inject

import "cmp"

// What is added to a pod, by name and place.
const (
	sidecarName = "weighbridge"
	initName    = "weighbridge-init"

	configVolume      = "weighbridge-config"
	credentialsVolume = "weighbridge-credentials"
	caVolume          = "weighbridge-ca"
	workerVolume      = "weighbridge-worker"

	configDir      = "/etc/weighbridge/config"
	credentialsDir = "/etc/weighbridge/credentials"
	caDir          = "/etc/weighbridge/ca"
	// workerDir holds, in every container, what a worker may have.
	workerDir = "/run/weighbridge"
	bundle    = workerDir + "/ca-bundle.pem"

	// user is the image's (Dockerfile): no other container's.
	user = 65532
	// readable is 0444. Without an fsGroup, which is the pod's own to say, a
	// mounted Secret belongs to root; only the sidecar mounts these.
	readable = 0o444
)

// clusterHosts are a cluster's own services, which no container reaches through
// the sidecar. Their short names, and the addresses of pods, are the cluster's
// to say: annotationDirect.
func clusterHosts() []string { return []string{".svc", ".cluster.local"} }

// apiServer is put in by the kubelet, in a container's variables alone.
const apiServer = "$(KUBERNETES_SERVICE_HOST)"

// Options of an Injector. The names are those of objects in the pod's own
// namespace, and defaults for pods that annotate nothing.
type Options struct {
	// Image of the sidecar and of the init step; not "latest".
	Image string
	// ConfigMap has weighbridge.yaml.
	ConfigMap string
	// Credentials is the Secret that the configuration's files lie in.
	Credentials string
	// CA is the Secret with tls.crt and tls.key of the root.
	CA string
	// MemoryLimit and CPULimit are the sidecar's.
	MemoryLimit, CPULimit string
	// PullSecrets are Secrets by which the kubelet pulls Image. A pod that has
	// others keeps them.
	PullSecrets []string
	// Placeholder stands for a Hub token (workerenv.Options).
	Placeholder string
}

// Injector answers admission reviews.
type Injector struct{ o Options }

// New makes an Injector. The error names what no object can be called.
func New(o Options) (*Injector, error) {
	o.ConfigMap = cmp.Or(o.ConfigMap, "weighbridge")
	o.Credentials = cmp.Or(o.Credentials, "weighbridge-credentials")
	o.CA = cmp.Or(o.CA, "weighbridge-ca")
	o.MemoryLimit = cmp.Or(o.MemoryLimit, "256Mi")
	o.CPULimit = cmp.Or(o.CPULimit, "2")
	for _, name := range append([]string{o.ConfigMap, o.Credentials, o.CA}, o.PullSecrets...) {
		if err := objectName(name); err != nil {
			return nil, err
		}
	}
	return &Injector{o: o}, nil
}

// object is a part of a manifest that is only written.
type object map[string]any

func env(name, value string) object { return object{"name": name, "value": value} }

// restricted is what the Pod Security Standard of that name asks of a
// container, and a root file system that nobody writes.
func restricted() object {
	return object{
		"runAsNonRoot": true, "runAsUser": user, "runAsGroup": user,
		"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
		"capabilities":   object{"drop": []string{"ALL"}},
		"seccompProfile": object{"type": "RuntimeDefault"},
	}
}

// initStep writes the bundle and the environment block.
func (s *shape) initStep() object {
	args := []string{
		"env", "--no-key", "--ca-file", caDir + "/tls.crt", "--proxy-url", s.proxyURL(),
		"--bundle", bundle, "--out", workerDir + "/env.sh",
	}
	for _, d := range s.direct { // without apiServer: a file has no $(…)
		args = append(args, "--direct", d)
	}
	return object{
		"name": initName, "image": s.Image, "command": []string{"/weighbridge"}, "args": args,
		"securityContext": restricted(),
		"resources":       object{"requests": object{"cpu": "10m", "memory": "32Mi"}, "limits": object{"cpu": "1", "memory": "64Mi"}},
		"volumeMounts": []mount{
			// The certificate alone: the key is the sidecar's.
			{Name: caVolume, MountPath: caDir + "/tls.crt", SubPath: "tls.crt", ReadOnly: true},
			{Name: workerVolume, MountPath: workerDir},
		},
	}
}

// sidecar is an init container that goes on running (restartPolicy: Always):
// it serves before the pod's other init containers start, and ends last.
func (s *shape) sidecar() object {
	check := object{"command": []string{"/weighbridge", "healthcheck", "--live"}}
	probe := func(period, failures int) object {
		return object{"exec": check, "periodSeconds": period, "timeoutSeconds": 5, "failureThreshold": failures}
	}
	return object{
		"name": sidecarName, "image": s.Image, "restartPolicy": "Always",
		"command": []string{"/weighbridge"}, "args": []string{"serve", "--config", configDir + "/weighbridge.yaml"},
		"env": []object{
			env("WEIGHBRIDGE_DATA_DIR", "off"), env("WEIGHBRIDGE_STORE_DRIVER", "memory"),
			env("WEIGHBRIDGE_LISTEN", s.address()), env("WEIGHBRIDGE_ADMIN_LISTEN", "off"),
			env("WEIGHBRIDGE_CA_CERT_FILE", caDir+"/tls.crt"), env("WEIGHBRIDGE_CA_KEY_FILE", caDir+"/tls.key"),
		},
		"startupProbe": probe(1, 60), "livenessProbe": probe(20, 3),
		"securityContext": restricted(),
		"resources":       object{"requests": object{"cpu": "50m", "memory": "64Mi"}, "limits": object{"cpu": s.CPULimit, "memory": s.MemoryLimit}},
		"volumeMounts": []mount{
			{Name: configVolume, MountPath: configDir, ReadOnly: true},
			{Name: credentialsVolume, MountPath: credentialsDir, ReadOnly: true},
			{Name: caVolume, MountPath: caDir, ReadOnly: true},
		},
	}
}

// volumes are what the two mount and, of workerVolume, every container.
func (o *Options) volumes() []object {
	return []object{
		{"name": configVolume, "configMap": object{"name": o.ConfigMap, "defaultMode": readable}},
		{"name": credentialsVolume, "secret": object{"secretName": o.Credentials, "defaultMode": readable}},
		{"name": caVolume, "secret": object{"secretName": o.CA, "defaultMode": readable}},
		{"name": workerVolume, "emptyDir": object{"sizeLimit": "4Mi"}},
	}
}
