package importer

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

const canary = "CANARYcanary0123456789"

// shown is what was found, with its secrets.
func shown(found []Found) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "%s %s %s %v", f.Name, f.Provider, plain(f.Fields), f.Patterns)
		if f.Obstacle != "" {
			b.WriteString(" !" + f.Obstacle)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestRead(t *testing.T) {
	base := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, c := range map[string]struct{ file, text, want string }{
		"variables": {".env", "# a comment\nexport HF_TOKEN=\"hf_abc\"\nCIVITAI_API_TOKEN='civ it'  # ours\nCOMFY_CLOUD_API_KEY=comfy # a note\nOTHER=x\nnot a line\nHF_API_TOKEN=second\n",
			"huggingface huggingface map[token:hf_abc] []\ncivitai civitai map[token:civ it] []\ncomfy-cloud comfy_cloud map[api_key:comfy] []\n"},
		"keys of storage": {"worker.env", "AWS_ACCESS_KEY_ID=AKIA1\nAWS_SECRET_ACCESS_KEY=a/b+c=\nAWS_SESSION_TOKEN=t\nAWS_DEFAULT_REGION=eu-west-1\nAWS_ENDPOINT_URL=https://minio.example.com\n",
			"s3 s3 map[accessKeyId:AKIA1 endpoint:https://minio.example.com region:eu-west-1 secretAccessKey:a/b+c= sessionToken:t] []\n"},
		"half a pair of keys": {".env", "AWS_ACCESS_KEY_ID=AKIA1\n", ""},
		"the Hub's token":     {"/root/.cache/huggingface/token", "hf_abc\n", "huggingface huggingface map[token:hf_abc] []\n"},
		"profiles": {"/root/.aws/credentials", "[default]\naws_access_key_id = AKIA1\naws_secret_access_key=s1\n; no\n[profile lab]\nregion=us-east-1\naws_access_key_id=AKIA2\naws_secret_access_key=s2\n[role]\nrole_arn=x\n",
			"s3 s3 map[accessKeyId:AKIA1 secretAccessKey:s1] []\ns3-lab s3 map[accessKeyId:AKIA2 region:us-east-1 secretAccessKey:s2] []\n"},
		"a profile with a note": {"/root/.aws/credentials", "[default]\naws_access_key_id=AKIA1\naws_secret_access_key=s1\n[lab] # not ours\naws_access_key_id=AKIA2\naws_secret_access_key=s2\n",
			"s3 s3 map[accessKeyId:AKIA1 secretAccessKey:s1] []\ns3-lab s3 map[accessKeyId:AKIA2 secretAccessKey:s2] []\n"},
		"netrc": {"/root/.netrc", "machine huggingface.co login user password hf_abc\nmachine Models.example.com\n\tlogin me # who\n\tpassword #1\nmacdef init\ncd /pub\n\nmachine none.example.com password p\ndefault login anonymous password guest\n",
			"huggingface huggingface map[token:hf_abc] []\nmodels.example.com http_basic map[password:#1 username:me] [models.example.com/*]\nnone.example.com http_basic map[password:p username:] [none.example.com/*] !it has no login\n"},
		"a Secret": {"secret.yaml", "apiVersion: v1\nkind: ConfigMap\ndata: {HF_TOKEN: no}\n---\nkind: Secret\nmetadata: {name: hub}\ndata: {HF_TOKEN: " + base("hf_abc\n") + "}\nstringData: {CIVITAI_TOKEN: civ}\n---\nkind: Secret\ndata: {token: " + base("hf_def") + "}\n",
			"huggingface huggingface map[token:hf_abc] []\ncivitai civitai map[token:civ] []\nhuggingface huggingface map[token:hf_def] []\n"},
		"a list of Secrets": {"secrets.json", `{"kind": "List", "items": [{"kind": "Secret", "type": "kubernetes.io/dockerconfigjson", "metadata": {"name": "pull"}, "data": {".dockerconfigjson": "` +
			base(`{"auths": {"https://index.docker.io/v1/": {"auth": "`+base("me:p:w")+`"}, "ghcr.io": {"identitytoken": "idt"}, "empty.example": {}}}`) + `"}}]} # "kind": "Secret"`,
			"ghcr.io oci_registry map[token:idt] [ghcr.io/*]\nregistry-1.docker.io oci_registry map[password:p:w username:me] [registry-1.docker.io/*]\n"},
		"a key of ours": {".env", "HF_TOKEN=hf_" + strings.Repeat("a", 43), "huggingface huggingface map[token:hf_" + strings.Repeat("a", 43) + "] [] !it is an API key of weighbridge, not an upstream's secret\n"},
		"not one token": {"token", "hf_abc\nhf_def\n", ""}, // taken for variables, of which there are none
	} {
		found, err := Read(FormatOf(c.file, []byte(c.text)), c.file, []byte(c.text))
		if err != nil || shown(found) != c.want {
			t.Errorf("%s, as %s: %v\n%swant\n%s", name, FormatOf(c.file, []byte(c.text)), err, shown(found), c.want)
		}
		for _, f := range found {
			if !strings.HasPrefix(f.From, c.file) {
				t.Errorf("%s: %s is from %q", name, f.Name, f.From)
			}
		}
	}
}

func TestDistinct(t *testing.T) {
	token := func(v string) Found {
		return Found{Name: "huggingface", Provider: "huggingface", Fields: auth.Fields{"token": auth.NewSecret(v)}}
	}
	if got := shown(Distinct([]Found{token("a"), token("b"), token("a")})); got != "huggingface huggingface map[token:a] []\nhuggingface-2 huggingface map[token:b] []\n" {
		t.Error(got)
	}
	// The same secret for another host is another credential.
	at := func(host string) Found {
		return Found{Name: host, Provider: "http_basic", Patterns: []string{host + "/*"}, Fields: auth.Fields{"username": auth.NewSecret("me"), "password": auth.NewSecret("p")}}
	}
	if got := Distinct([]Found{at("a.example"), at("b.example"), at("a.example")}); len(got) != 2 || got[1].Name != "b.example" {
		t.Errorf("of two hosts with one secret are left:\n%s", shown(got))
	}
}

func TestEnviron(t *testing.T) {
	found := Environ([]string{"PATH=/bin", "CIVITAI_KEY=civ", "odd"})
	if shown(found) != "civitai civitai map[token:civ] []\n" || found[0].From != "environment: CIVITAI_KEY" {
		t.Errorf("%s%s", shown(found), found[0].From)
	}
}

// What cannot be read is said without a word of it.
func TestErrorsQuoteNothing(t *testing.T) {
	for name, text := range map[string]string{
		"not YAML":   "kind: Secret\ndata: {HF_TOKEN: \"" + canary,
		"not base64": "kind: Secret\ndata: {HF_TOKEN: \"" + canary + "!\"}",
		"odd types":  "kind: Secret\ndata: [" + canary + "]",
		"too long":   canary + strings.Repeat("x", MaxText),
	} {
		_, err := Read(FormatKubernetes, "secret.yaml", []byte(text))
		if err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read("csv", "x", nil); err == nil {
		t.Error("a format that there is not")
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"HF_TOKEN=hf_abc", "export A='b", "[default]\naws_access_key_id=a\naws_secret_access_key=b", "machine a login b password c", "kind: Secret\ndata: {HF_TOKEN: aGY=}\n---\nkind: List\nitems: [{kind: Secret}]", "hf_abc", "a: &a [*a]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, format := range append(Formats(), FormatOf("file", text)) {
			found, err := Read(format, "file", text)
			if err != nil {
				if len(text) > 8 && len(text) < 200 && strings.Contains(err.Error(), string(text)) {
					t.Errorf("%s: the error quotes it: %v", format, err)
				}
				continue
			}
			for _, c := range Distinct(found) {
				if c.Name == "" || c.Provider == "" || len(c.Fields) == 0 || !strings.HasPrefix(c.From, "file") {
					t.Errorf("%s: %q", format, c.Name)
				}
			}
		}
	})
}
