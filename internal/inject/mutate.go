package inject

import (
	"fmt"
	"slices"
	"strconv"
)

// op is one operation of a JSON Patch (RFC 6902); only "add" is needed.
type op struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// ours reports whether a container is one that is added here.
func ours(name string) bool { return name == sidecarName || name == initName }

// mutate says what to add to p. The error is why it must not start.
func (i *Injector) mutate(p *pod) (ops []op, warnings []string, err error) {
	s, err := i.shape(p.Metadata.Annotations)
	if err != nil {
		return nil, nil, err
	}
	if err := s.apart(p); err != nil {
		return nil, nil, err
	}
	if err := s.alone(p); err != nil {
		return nil, nil, err
	}
	// First what stands at an index, which the new init containers move.
	for _, group := range []struct {
		at   string
		list []container
	}{{"/spec/containers", p.Spec.Containers}, {"/spec/initContainers", p.Spec.InitContainers}} {
		for n := range group.list {
			c := &group.list[n]
			if ours(c.Name) {
				continue
			}
			more, warning := s.equip(group.at+"/"+strconv.Itoa(n), c)
			ops = append(ops, more...)
			if warning != "" {
				warnings = append(warnings, warning)
			}
		}
	}
	var volumes []any
	for _, v := range s.volumes() {
		if !slices.ContainsFunc(p.Spec.Volumes, func(is volume) bool { return is.Name == v["name"] }) {
			volumes = append(volumes, v)
		}
	}
	ops = append(ops, extend("/spec/volumes", len(p.Spec.Volumes), volumes)...)
	var pull []any
	for _, name := range s.PullSecrets {
		if !slices.Contains(p.Spec.ImagePullSecrets, named{name}) {
			pull = append(pull, named{name})
		}
	}
	ops = append(ops, extend("/spec/imagePullSecrets", len(p.Spec.ImagePullSecrets), pull)...)
	return append(ops, s.first(p)...), warnings, nil
}

// first puts the init step and the sidecar before every other init container,
// so that those download through it too.
func (s *shape) first(p *pod) []op {
	var missing []any
	for _, c := range []object{s.initStep(), s.sidecar()} {
		if !slices.ContainsFunc(p.Spec.InitContainers, func(is container) bool { return is.Name == c["name"] }) {
			missing = append(missing, c)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if len(p.Spec.InitContainers) == 0 {
		return []op{{"add", "/spec/initContainers", missing}}
	}
	var ops []op
	for _, c := range slices.Backward(missing) {
		ops = append(ops, op{"add", "/spec/initContainers/0", c})
	}
	return ops
}

// equip gives a container the variables that it does not set itself, and what
// they name. A container that chooses a proxy of its own is left to it, and
// that is said.
func (s *shape) equip(at string, c *container) (ops []op, warning string) {
	set := map[string]bool{}
	for _, e := range c.Env {
		set[e.Name] = true
	}
	if set["HTTPS_PROXY"] || set["https_proxy"] {
		if !slices.ContainsFunc(c.VolumeMounts, isWorkerMount) {
			warning = fmt.Sprintf("container %q sets HTTPS_PROXY itself: it is not sent through weighbridge", c.Name)
			return nil, warning
		}
	}
	var vars []any
	for _, v := range s.vars {
		if !set[v.Name] {
			vars = append(vars, env(v.Name, v.Value))
		}
	}
	ops = extend(at+"/env", len(c.Env), vars)
	if !slices.ContainsFunc(c.VolumeMounts, isWorkerMount) {
		ops = append(ops, extend(at+"/volumeMounts", len(c.VolumeMounts), []any{mount{Name: workerVolume, MountPath: workerDir, ReadOnly: true}})...)
	}
	return ops, ""
}

func isWorkerMount(m mount) bool { return m.Name == workerVolume }

// extend appends to the list at path, or makes it.
func extend(path string, has int, more []any) []op {
	switch {
	case len(more) == 0:
		return nil
	case has == 0:
		return []op{{"add", path, more}}
	}
	ops := make([]op, len(more))
	for n, v := range more {
		ops[n] = op{"add", path + "/-", v}
	}
	return ops
}
