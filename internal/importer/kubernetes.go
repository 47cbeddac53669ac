package importer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/weighbridge/weighbridge/auth"
)

// secret is as much of a Secret as is read (Kubernetes API reference, Secret v1).
type secret struct {
	Kind     string `yaml:"kind"`
	Type     string `yaml:"type"`
	Metadata struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Data       map[string]string `yaml:"data"`
	StringData map[string]string `yaml:"stringData"`
	Items      []secret          `yaml:"items"`
}

// The types whose keys have a meaning of their own (Kubernetes, "Types of
// Secret").
const (
	typeRegistry = "kubernetes.io/dockerconfigjson"
	keyRegistry  = ".dockerconfigjson"
)

var (
	errManifest = errors.New("it is no manifest that can be read")
	errBase64   = errors.New("a value under data is not base64")
)

// kubernetes reads Secrets in YAML or JSON, several documents and lists among
// them. Their keys are taken for names of variables.
func kubernetes(text []byte) ([]Found, error) {
	in := yaml.NewDecoder(bytes.NewReader(text))
	var found []Found
	for {
		var s secret
		err := in.Decode(&s)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, errManifest // the cause would quote it
		}
		some, err := s.found()
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
}

func (s *secret) found() ([]Found, error) {
	var found []Found
	for i := range s.Items {
		some, err := s.Items[i].found()
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	if s.Kind != "Secret" {
		return found, nil
	}
	vars := map[string]string{}
	for name, coded := range s.Data {
		plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(coded), ""))
		if err != nil {
			return nil, errBase64
		}
		vars[name] = string(plain)
	}
	for name, plain := range s.StringData { // which counts more than data
		vars[name] = plain
	}
	some := known(vars)
	if len(some) == 0 && strings.HasPrefix(vars["token"], hubToken) {
		some = token([]byte(vars["token"]))
		some[0].From = "token"
	}
	if s.Type == typeRegistry {
		some = append(some, registries(vars[keyRegistry])...)
	}
	for i := range some {
		some[i].From = "Secret " + s.Metadata.Name + ": " + some[i].From
	}
	return append(found, some...), nil
}

// hubToken is what a token of the Hub begins with.
const hubToken = "hf_"

// registries reads what `docker login` keeps (docker/cli, config.json): a user
// and password, or a token, for each registry.
func registries(text string) (found []Found) {
	var file struct {
		Auths map[string]struct {
			Auth, Username, Password, IdentityToken string
		}
	}
	if json.Unmarshal([]byte(text), &file) != nil {
		return nil
	}
	for _, host := range slices.Sorted(maps.Keys(file.Auths)) {
		a := file.Auths[host]
		if plain, err := base64.StdEncoding.DecodeString(a.Auth); err == nil && a.Auth != "" {
			a.Username, a.Password, _ = strings.Cut(string(plain), ":")
		}
		host, _, _ = strings.Cut(strings.TrimPrefix(host, "https://"), "/")
		if host == "index.docker.io" { // which serves nothing; Docker Hub's registry is this
			host = "registry-1.docker.io"
		}
		f := Found{Name: host, Provider: "oci_registry", Patterns: []string{host + "/*"}, From: keyRegistry + " " + host, Fields: auth.Fields{}}
		switch {
		case a.IdentityToken != "":
			f.Fields["token"] = auth.NewSecret(a.IdentityToken)
		case a.Username != "" && a.Password != "":
			f.Fields["username"], f.Fields["password"] = auth.NewSecret(a.Username), auth.NewSecret(a.Password)
		default:
			continue
		}
		found = append(found, f)
	}
	return found
}
