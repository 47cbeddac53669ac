package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/signer"
)

func TestDocsProviders(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`# Providers

A credential belongs to a provider, which says what it is made of, the URLs it is for, and how it is put on. Secret fields are
sealed and never shown again. ` + "`weighbridge credential create --provider P --name N --set FIELD=@FILE`" + ` makes one; in the
configuration fields stand under ` + "`credentials[].fields`" + `. What can be read out of a secret (what a SAS may do, when it ends) is
said when it comes in, with warnings where it is wider than downloads need.

` + "`weighbridge credential import`" + ` makes credentials of secrets that stand in files already, shown by their previews first: environment
files (the variables of huggingface_hub, Civitai, Comfy Cloud and AWS), Secrets of Kubernetes (those names as keys, and
` + "`.dockerconfigjson`" + `), ` + "`~/.cache/huggingface/token`" + `, ` + "`~/.aws/credentials`" + ` and ` + "`~/.netrc`" + `.

A validation asks the upstream, read-only, by the road that a worker's request takes, and follows no redirect. Who asks is
looked at before what is asked for, so the error's code tells a wrong secret from a missing right or file:

| provider | what is asked |
| --- | --- |
| ` + "`huggingface`, `civitai`, `comfy_cloud`" + ` | whose the token is |
| ` + "`http_bearer`, `http_basic`, `http_api_key`, `http_query`" + ` | one byte at ` + "`validationUrl`" + `; nothing without it |
| ` + "`s3`" + ` | one byte of ` + "`sampleObject`" + `, else of each pattern the shortest listing, or an object that does not exist; STS, where no pattern names a bucket of Amazon's |
| ` + "`azure_blob`" + ` | with Entra a token; then of each pattern that names a container one byte of a blob, which need not exist |
| ` + "`gcs`" + ` | a token; then of each pattern that names a bucket one byte of an object, which need not exist |
| ` + "`oci_registry`" + ` | a token to nothing in particular, as ` + "`docker login`" + ` does; then the tags of a repository that a pattern names |

`)
	for _, p := range signer.Providers() {
		s := p.Schema()
		fmt.Fprintf(&b, "## %s\n\n%s\n\n%s\n\n", s.Name, "**"+s.Title+".** "+s.Help, defaults(s.DefaultPatterns))
		if len(s.Links) > 0 {
			var links []string
			for _, l := range s.Links {
				links = append(links, fmt.Sprintf("[%s](%s)", l.Title, l.URL))
			}
			b.WriteString(strings.Join(links, " · ") + "\n\n")
		}
		b.WriteString("| field | | what |\n| --- | --- | --- |\n")
		for _, f := range s.Fields {
			var kind []string
			if f.Required {
				kind = append(kind, "required")
			}
			if f.Secret {
				kind = append(kind, "secret")
			}
			what := f.Title + "."
			if f.Help != "" {
				what += " " + f.Help
			}
			if len(f.Options) > 0 {
				what += " One of `" + strings.Join(f.Options, "`, `") + "`; the first where it is empty."
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, strings.Join(kind, ", "), strings.ReplaceAll(what, "|", `\|`))
		}
		b.WriteString("\n")
	}
	checkPage(t, "providers.md", append(bytes.TrimRight(b.Bytes(), "\n"), '\n'))
}

func defaults(patterns []string) string {
	if len(patterns) == 0 {
		return "It has no default patterns: say which URLs it is for."
	}
	return "Default patterns: `" + strings.Join(patterns, "`, `") + "`."
}
