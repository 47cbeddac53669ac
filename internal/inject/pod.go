package inject

// pod is as much of a Pod as is read. What is not here stays as it is, because
// the answer is a patch.
type pod struct {
	Metadata struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		HostNetwork           bool        `json:"hostNetwork"`
		ShareProcessNamespace bool        `json:"shareProcessNamespace"`
		ImagePullSecrets      []named     `json:"imagePullSecrets"`
		Volumes               []volume    `json:"volumes"`
		InitContainers        []container `json:"initContainers"`
		Containers            []container `json:"containers"`
	} `json:"spec"`
}

type volume struct {
	Name   string `json:"name"`
	Secret *struct {
		SecretName string `json:"secretName"`
	} `json:"secret"`
	Projected *struct {
		Sources []struct {
			Secret *named `json:"secret"`
		} `json:"sources"`
	} `json:"projected"`
}

// named is read and written.
type named struct {
	Name string `json:"name"`
}

type container struct {
	Name string `json:"name"`
	Env  []struct {
		Name      string `json:"name"`
		ValueFrom *struct {
			SecretKeyRef *named `json:"secretKeyRef"`
		} `json:"valueFrom"`
	} `json:"env"`
	EnvFrom []struct {
		SecretRef *named `json:"secretRef"`
	} `json:"envFrom"`
	VolumeMounts []mount `json:"volumeMounts"`
	Ports        []struct {
		ContainerPort int    `json:"containerPort"`
		Protocol      string `json:"protocol"`
	} `json:"ports"`
}

// mount is read and written.
type mount struct {
	Name      string `json:"name"`
	MountPath string `json:"mountPath"`
	SubPath   string `json:"subPath,omitempty"`
	ReadOnly  bool   `json:"readOnly,omitempty"`
}

// secrets are the names of the Secrets that a container is given by variables.
func (c *container) secrets() []string {
	var out []string
	for _, e := range c.Env {
		if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
			out = append(out, e.ValueFrom.SecretKeyRef.Name)
		}
	}
	for _, e := range c.EnvFrom {
		if e.SecretRef != nil {
			out = append(out, e.SecretRef.Name)
		}
	}
	return out
}

// secrets are the names of the Secrets in a volume.
func (v *volume) secrets() []string {
	var out []string
	if v.Secret != nil {
		out = append(out, v.Secret.SecretName)
	}
	if v.Projected != nil {
		for _, s := range v.Projected.Sources {
			if s.Secret != nil {
				out = append(out, s.Secret.Name)
			}
		}
	}
	return out
}
