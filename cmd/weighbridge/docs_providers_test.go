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

`)
	for _, p := range signer.Providers() {
		s := p.Schema()
		fmt.Fprintf(&b, "## %s\n\n%s\n\n%s\n\n", s.Name, "**"+s.Title+".** "+s.Help, defaults(s.DefaultPatterns))
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
