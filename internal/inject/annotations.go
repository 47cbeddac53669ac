package inject

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// Label asks for a sidecar where it is "true".
const Label = "weighbridge.dev/inject"

// The annotations of a pod. An empty one says nothing.
const (
	// These name other objects of the pod's namespace than Options does.
	annotationConfig      = "weighbridge.dev/config"
	annotationCredentials = "weighbridge.dev/credentials"
	annotationCA          = "weighbridge.dev/ca"
	// annotationPort is the sidecar's port on 127.0.0.1, for pods in which
	// somebody else listens on the usual one.
	annotationPort = "weighbridge.dev/port"
	// annotationDirect lists, with commas, what the pod's containers reach
	// without the sidecar: it is added to NO_PROXY.
	annotationDirect = "weighbridge.dev/direct"
)

const (
	usualPort = 8080
	// otherPort is what is proposed where the usual one is taken.
	otherPort = 18080
	// firstPort is the first that needs no capability, and the sidecar has none
	// (capabilities(7), CAP_NET_BIND_SERVICE).
	firstPort = 1024
	// maxDirect keeps NO_PROXY far below the 128 KiB that one variable may take
	// (execve(2), MAX_ARG_STRLEN): beyond, no container would start.
	maxDirect = 64
)

// shape is what one pod is given: the options as its annotations have them.
type shape struct {
	Options
	port int
	// direct are the entries of NO_PROXY beside those of every worker, without
	// the API server's address, which only the kubelet knows.
	direct []string
	vars   []workerenv.Var
}

// shape reads annotations. The error is a sentence for who wrote them.
func (i *Injector) shape(annotations map[string]string) (*shape, error) {
	s := &shape{Options: i.o, port: usualPort}
	for _, object := range []struct {
		annotation string
		name       *string
	}{{annotationConfig, &s.ConfigMap}, {annotationCredentials, &s.Credentials}, {annotationCA, &s.CA}} {
		*object.name = cmp.Or(annotations[object.annotation], *object.name)
		if err := objectName(*object.name); err != nil {
			return nil, fmt.Errorf("annotation %s: %w", object.annotation, err)
		}
	}
	if text := annotations[annotationPort]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || strconv.Itoa(n) != text || n < firstPort || n > 65535 {
			return nil, fmt.Errorf("annotation %s: %q is no port that the sidecar can listen on: give a number from %d to 65535, such as \"%d\"", annotationPort, text, firstPort, otherPort)
		}
		s.port = n
	}
	more, err := hosts(annotations[annotationDirect])
	if err != nil {
		return nil, fmt.Errorf("annotation %s: %w", annotationDirect, err)
	}
	s.direct = append(clusterHosts(), more...)
	s.vars, err = workerenv.Variables(workerenv.Options{
		Mode: workerenv.Forward, ProxyURL: s.proxyURL(), NoKey: true, Bundle: bundle, Direct: append(s.direct, apiServer), Placeholder: s.Placeholder,
	})
	return s, err
}

func (s *shape) address() string  { return "127.0.0.1:" + strconv.Itoa(s.port) }
func (s *shape) proxyURL() string { return "http://" + s.address() }

// aName is what names an object (RFC 1123 subdomain; Kubernetes, "Object Names
// and IDs").
var aName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

func objectName(name string) error {
	if len(name) > 253 || !aName.MatchString(name) {
		return fmt.Errorf("%q names no object of Kubernetes: small letters, digits, hyphens and dots, at most 253", name)
	}
	return nil
}

// hosts reads a list of hosts, with commas, of the forms that every client takes
// in NO_PROXY: a name, which stands for those below it too, one with a dot in
// front, an address, a network.
func hosts(list string) (out []string, err error) {
	if list == "" {
		return nil, nil
	}
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.TrimSpace(entry)
		if err := host(entry); err != nil {
			return nil, err
		}
		out = append(out, entry)
	}
	if len(out) > maxDirect {
		return nil, fmt.Errorf("%d entries are too many: name at most %d, and networks or suffixes in place of single hosts", len(out), maxDirect)
	}
	return out, nil
}

var aHost = regexp.MustCompile(`^\.?[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$`)

// host says what is wrong with an entry of NO_PROXY.
func host(entry string) error {
	if strings.Contains(entry, "/") {
		network, err := netip.ParsePrefix(entry)
		switch {
		case err != nil:
			return fmt.Errorf("%q is neither a host nor a network: give a name, or a network such as 10.96.0.0/12", entry)
		case network.Masked() != network:
			return fmt.Errorf("%q is an address within a network: write %s", entry, network.Masked())
		}
		return nil
	}
	if a, err := netip.ParseAddr(entry); err == nil && a.Zone() == "" {
		return nil
	}
	name, port, _ := strings.Cut(entry, ":")
	switch {
	case entry == "":
		return errors.New("an entry is empty: write the hosts with one comma between them")
	case entry == "*":
		return errors.New(`"*" would send nothing through the sidecar: leave the label out`)
	case strings.HasPrefix(entry, "*."):
		return fmt.Errorf("%q: not every client takes a star: write %s", entry, entry[1:])
	case isDigits(port) && port != "" && aHost.MatchString(name):
		return fmt.Errorf("%q: not every client takes a port: write %s", entry, name)
	case len(entry) > 254 || !aHost.MatchString(entry) || isDigits(entry[strings.LastIndexByte(entry, '.')+1:]):
		return fmt.Errorf("%q is neither a host nor an address: give names such as minio or .example.com, addresses, or networks such as 10.96.0.0/12", entry)
	}
	return nil
}

func isDigits(label string) bool { return strings.Trim(label, "0123456789") == "" }
