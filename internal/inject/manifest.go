package inject

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// templates are where the pod of a workload stands, by the workload's kind
// (Kubernetes API Reference, "Workload Resources").
var templates = map[string][]string{
	"Pod":         nil,
	"Deployment":  {"spec", "template"},
	"StatefulSet": {"spec", "template"},
	"DaemonSet":   {"spec", "template"},
	"ReplicaSet":  {"spec", "template"},
	"Job":         {"spec", "template"},
	"CronJob":     {"spec", "jobTemplate", "spec", "template"},
}

// Manifest gives the pods of a manifest (YAML, of any number of documents) what
// the webhook would: a Pod, or the one that a workload makes. That it is asked
// for here stands for the label, which they get. Other documents stay as they are. warnings are
// the webhook's; the error is why a pod must not start, or that there is none.
func (i *Injector) Manifest(in []byte) (out []byte, warnings []string, err error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	found := false
	for dec := yaml.NewDecoder(bytes.NewReader(in)); ; {
		var node yaml.Node
		switch err := dec.Decode(&node); {
		case errors.Is(err, io.EOF):
			if !found {
				return nil, nil, errors.New("there is no pod in it, nor a workload that makes one")
			}
			err := enc.Close() // writes what it holds
			return b.Bytes(), warnings, err
		case err != nil:
			return nil, nil, err
		}
		var document map[string]any
		if err := node.Decode(&document); err != nil {
			return nil, nil, fmt.Errorf("a document is no object: %w", err)
		}
		name, _ := document["kind"].(string)
		at, makes := templates[name]
		if !makes {
			if err := enc.Encode(&node); err != nil {
				return nil, nil, err
			}
			continue
		}
		found = true
		more, err := i.manifest(document, at)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		warnings = append(warnings, more...)
		if err := enc.Encode(document); err != nil {
			return nil, nil, err
		}
	}
}

// manifest changes the pod at a place in document.
func (i *Injector) manifest(document map[string]any, at []string) (warnings []string, err error) {
	for _, name := range at {
		below, ok := document[name].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("there is no pod at %s", strings.Join(at, "."))
		}
		document = below
	}
	text, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	var p pod
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("the pod cannot be read: %w", err)
	}
	if len(p.Spec.Containers) == 0 {
		return nil, errors.New("the pod has no containers")
	}
	ops, warnings, err := i.mutate(&p)
	if err != nil {
		return nil, err
	}
	if len(i.o.PullSecrets) > 0 && len(p.Spec.ImagePullSecrets) == 0 {
		// The ServiceAccount admission controller; the webhook comes after it.
		warnings = append(warnings, "the pod has image pull secrets of its own now, so the cluster adds none of its ServiceAccount's: where its images need those, name them too")
	}
	mark(document)
	for _, o := range ops {
		// By way of the form in which they travel; as YAML, so that whole numbers
		// stay whole.
		text, err := json.Marshal(o.Value)
		if err != nil {
			return nil, err
		}
		var value any
		if err := yaml.Unmarshal(text, &value); err != nil {
			return nil, err
		}
		if _, err := add(document, strings.Split(o.Path[1:], "/"), value); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Path, err)
		}
	}
	return warnings, nil
}

// mark sets the label where the pod does not say anything of it: policies know
// by it which pods have a sidecar (deploy/kubernetes/networkpolicy.yaml).
func mark(pod map[string]any) {
	below := func(in map[string]any, name string) map[string]any {
		at, ok := in[name].(map[string]any)
		if !ok {
			at = map[string]any{}
			in[name] = at
		}
		return at
	}
	labels := below(below(pod, "metadata"), "labels")
	if _, said := labels[Label]; !said {
		labels[Label] = "true"
	}
}

// add does the operation "add" of RFC 6902, section 4.1, below at, and returns
// what stands there then.
func add(at any, path []string, value any) (any, error) {
	head, rest := path[0], path[1:]
	switch at := at.(type) {
	case map[string]any:
		if len(rest) > 0 {
			below, err := add(at[head], rest, value)
			if err != nil {
				return nil, err
			}
			value = below
		}
		at[head] = value
		return at, nil
	case []any:
		if head == "-" {
			return append(at, value), nil
		}
		n, err := strconv.Atoi(head)
		switch {
		case err != nil || n < 0 || n >= len(at):
			return nil, errors.New("there is nothing at " + head)
		case len(rest) == 0:
			return slices.Insert(at, n, value), nil
		}
		at[n], err = add(at[n], rest, value)
		return at, err
	}
	return nil, errors.New("there is no list or object above " + head)
}
