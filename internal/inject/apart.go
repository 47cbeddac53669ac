package inject

import (
	"errors"
	"fmt"
	"slices"
)

// apart makes sure that a sidecar keeps its secrets from the pod's other
// containers: they share neither its processes nor its files.
func (o *Options) apart(p *pod) error {
	switch {
	case p.Spec.HostNetwork:
		return errors.New("hostNetwork: the sidecar's address without a key would be one of the node; take the gateway, or leave hostNetwork out")
	case p.Spec.ShareProcessNamespace:
		return errors.New("shareProcessNamespace: the other containers could look into the sidecar's process; leave it out")
	}
	secret := func(names []string) bool {
		return slices.Contains(names, o.Credentials) || slices.Contains(names, o.CA)
	}
	for n := range p.Spec.Volumes {
		v := &p.Spec.Volumes[n]
		if secret(v.secrets()) && v.Name != credentialsVolume && v.Name != caVolume {
			return fmt.Errorf("the volume %q holds a Secret of the sidecar, which no other container may have", v.Name)
		}
	}
	for _, c := range p.Spec.Containers {
		if ours(c.Name) {
			return fmt.Errorf("a container is called %q: that is the sidecar's name, which is an init container", c.Name)
		}
	}
	for _, c := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
		if ours(c.Name) {
			continue
		}
		if secret(c.secrets()) {
			return fmt.Errorf("the container %q takes a variable from a Secret of the sidecar, which no other container may have", c.Name)
		}
		for _, m := range c.VolumeMounts {
			if m.Name == credentialsVolume || m.Name == caVolume {
				return fmt.Errorf("the container %q mounts %s, which is the sidecar's alone", c.Name, m.Name)
			}
		}
	}
	return nil
}
