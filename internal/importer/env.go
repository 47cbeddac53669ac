package importer

import (
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// The names by which AWS's SDKs know their keys, in files and in variables
// (AWS SDKs and Tools Reference Guide, "Settings reference").
const (
	awsID     = "aws_access_key_id"
	awsSecret = "aws_secret_access_key"
	awsToken  = "aws_session_token"
	awsRegion = "region"
)

// single are providers whose credential is one variable, under the names that
// their clients read. Of several the first that is set counts.
var single = []struct {
	provider, field, name string
	variables             []string
}{
	// huggingface_hub, "Environment variables": HF_TOKEN, formerly
	// HUGGING_FACE_HUB_TOKEN; the others are those of comfy-cli and of older clients.
	{"huggingface", "token", "huggingface", []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN", "HF_API_TOKEN", "HUGGINGFACE_API_TOKEN", "HUGGINGFACEHUB_API_TOKEN"}},
	{"civitai", "token", "civitai", []string{"CIVITAI_API_TOKEN", "CIVITAI_TOKEN", "CIVITAI_API_KEY", "CIVITAI_KEY"}},
	{"comfy_cloud", "api_key", "comfy-cloud", []string{"COMFY_CLOUD_API_KEY", "COMFY_API_KEY", "API_KEY_COMFY_ORG"}},
}

// known makes credentials of the variables whose names it knows.
func known(vars map[string]string) (found []Found) {
	for _, s := range single {
		for _, name := range s.variables {
			if v := strings.TrimSpace(vars[name]); v != "" {
				found = append(found, Found{Name: s.name, Provider: s.provider, Fields: auth.Fields{s.field: auth.NewSecret(v)}, From: name})
				break
			}
		}
	}
	if f, ok := s3("s3", func(name string) string { return vars[strings.ToUpper(name)] }); ok {
		f.From = strings.ToUpper(awsID)
		if region := vars["AWS_REGION"]; region != "" {
			f.Fields["region"] = auth.NewSecret(region)
		} else if region = vars["AWS_DEFAULT_REGION"]; region != "" {
			f.Fields["region"] = auth.NewSecret(region)
		}
		for _, name := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"} {
			if e := vars[name]; e != "" {
				f.Fields["endpoint"] = auth.NewSecret(e)
				break
			}
		}
		found = append(found, f)
	}
	return found
}

// s3 makes a credential of a pair of keys. Which buckets it is for no client
// notes down.
func s3(name string, value func(string) string) (Found, bool) {
	id, secret := strings.TrimSpace(value(awsID)), strings.TrimSpace(value(awsSecret))
	if id == "" || secret == "" {
		return Found{}, false
	}
	f := Found{Name: name, Provider: "s3", Fields: auth.Fields{"accessKeyId": auth.NewSecret(id), "secretAccessKey": auth.NewSecret(secret)}}
	if t := strings.TrimSpace(value(awsToken)); t != "" {
		f.Fields["sessionToken"] = auth.NewSecret(t)
	}
	return f, true
}

// variables reads NAME=VALUE lines: with or without export, quoted or not,
// with comments, as shells and docker take them. Of a name that occurs twice
// the last counts. What is no such line is passed over.
func variables(text []byte) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		line = strings.TrimSpace(strings.TrimPrefix(line, "export "))
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if !ok || strings.HasPrefix(line, "#") || !isName(name) {
			continue
		}
		out[name] = unquoted(strings.TrimSpace(value))
	}
	return out
}

func isName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
	})
}

// unquoted is a value without its quotes, or without a comment behind it.
func unquoted(v string) string {
	if len(v) >= 2 && slices.Contains([]byte{'"', '\''}, v[0]) {
		if end := strings.IndexByte(v[1:], v[0]); end >= 0 {
			return v[1 : 1+end]
		}
	}
	if i := strings.Index(v, " #"); i >= 0 {
		v = v[:i]
	}
	return strings.TrimSpace(v)
}
