package inject

import (
	"errors"
	"fmt"
	"slices"
)

// apart makes sure that a sidecar keeps its secrets from the pod's other
// containers: they share neither its processes nor its files.
func (s *shape) apart(p *pod) error {
	switch {
	case p.Spec.HostNetwork:
		return errors.New("hostNetwork: the sidecar's address without a key would be one of the node; take the gateway, or leave hostNetwork out")
	case p.Spec.ShareProcessNamespace:
		return errors.New("shareProcessNamespace: the other containers could look into the sidecar's process; leave it out")
	}
	secret := func(names []string) bool {
		return slices.Contains(names, s.Credentials) || slices.Contains(names, s.CA)
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

// alone makes sure that nobody else in the pod listens on the sidecar's port.
// Containers share one network: who comes second does not start, and would be
// started again for ever. ContainerPorts are only declared, but who listens
// elsewhere loses nothing by another port of the sidecar's.
func (s *shape) alone(p *pod) error {
	for _, c := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
		for _, at := range c.Ports {
			if !ours(c.Name) && at.ContainerPort == s.port && (at.Protocol == "" || at.Protocol == "TCP") {
				free := otherPort
				if s.port == otherPort {
					free++
				}
				return fmt.Errorf("the container %q has port %d, on which the sidecar listens too: give the sidecar another by the annotation %s: \"%d\"", c.Name, s.port, annotationPort, free)
			}
		}
	}
	return nil
}
