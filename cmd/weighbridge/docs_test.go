package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

var update = flag.Bool("update", false, "rewrite the pages that are made from the code")

// checkPage compares a generated page with what is committed.
func checkPage(t *testing.T, name string, want []byte) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", name)
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/%s does not say what the code does: run `make docs`", name)
	}
}

func TestDocsErrors(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`# Error codes

Every refusal and failure of the data plane carries a stable code: in the header ` + "`X-Weighbridge-Error`" + ` and in the JSON
body, beside the reason and the next step. Codes are never renamed or given another meaning.

` + "```json" + `
{"error": "API key \"worker\": no linked credential matches https://models.example.com/a.bin",
 "code": "no_credential_matched", "reason": "…", "next": "…", "request_id": "0193…"}
` + "```" + `

On hosts of the Hugging Face Hub the answer also carries ` + "`X-Error-Code` and `X-Error-Message`" + `, which its clients show. For a
host that is intercepted, CONNECT itself answers only 407, 400, ` + "`address_forbidden` and `misdirected`" + `; every other refusal is
given inside the tunnel, where clients show it.

| code | status | meaning | next step |
| --- | --- | --- | --- |
`)
	for _, c := range auth.Codes() {
		status := fmt.Sprint(c.Status)
		if c.Code == auth.CodeKeyMissing || c.Code == auth.CodeKeyInvalid {
			status = "407, 401 in reverse mode"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.Code, status, c.Meaning, c.Next)
	}
	b.WriteString(`
## Codes of the admin API

Every error of the API is a problem (RFC 9457, ` + "`application/problem+json`" + `) with ` + "`type`, `title`, `status`, `code`, `detail`" + ` and, where
there is one, ` + "`next`" + `, the next step, and ` + "`errors`" + `, each mistake with its place. Beside these codes it may answer with those above.

| code | status | meaning |
| --- | --- | --- |
`)
	for _, c := range admin.Codes() {
		fmt.Fprintf(&b, "| \x60%s\x60 | %s | %s |\n", c.Code, c.Status, c.Meaning)
	}
	checkPage(t, "errors.md", b.Bytes())
}

func TestDocsCLI(t *testing.T) {
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, now: time.Now}
	var b bytes.Buffer
	b.WriteString(`# Command line

The command line calls the API over ` + "`admin.sock`" + ` in the data directory: ` + "`--data-dir`" + ` (or ` + "`WEIGHBRIDGE_DATA_DIR`" + `) finds it. Tables are
for people; ` + "`--json`" + ` prints the API's own objects, whose fields are stable: consumers ignore fields they do not know. A new
secret is printed once, in the field ` + "`key`" + `. Errors go to standard error. Nothing secret is taken as a literal argument:
` + "`@FILE`, `env:VAR` and `-`" + ` (standard input) name where it is.

## Exit codes

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | a failure not named below |
| 2 | the command line is wrong: unknown command or flag, missing or malformed argument |
| 3 | the named credential or key does not exist |
| 4 | conflict: the name is taken, the thing is read-only, or the secret must be given again |
| 5 | no weighbridge answers on admin.sock |
| 6 | the configuration or a value is not valid |
| 7 | ` + "`explain`" + `: the request would be refused; ` + "`doctor`" + `: there is a fault; ` + "`preflight`" + `: a file would not download |
| 8 | ` + "`preflight`" + `: nothing is refused, and a file cannot be told of now: come again |
`)
	root := a.command()
	b.WriteString("\n## Flags of every command\n\n")
	flags(&b, root.PersistentFlags())
	for _, c := range root.Commands() {
		if c.Name() != "help" && c.Name() != "completion" {
			command(&b, c)
		}
	}
	b.WriteString("\n## weighbridge completion\n\n`weighbridge completion bash|zsh|fish|powershell` prints a completion script, with the names of credentials, keys and providers.\n")
	checkPage(t, "cli.md", b.Bytes())
}

func command(b *bytes.Buffer, c *cobra.Command) {
	if c.HasSubCommands() {
		for _, sub := range c.Commands() {
			command(b, sub)
		}
		return
	}
	long := c.Short
	if c.Long != "" {
		long = c.Long
	}
	fmt.Fprintf(b, "\n## %s\n\n%s.\n\n    %s\n", c.CommandPath(), strings.TrimSuffix(long, "."), strings.TrimSuffix(c.UseLine(), " [flags]"))
	if c.Example != "" {
		fmt.Fprintf(b, "\nFor example:\n\n    %s\n", strings.ReplaceAll(strings.TrimSpace(c.Example), "\n  ", "\n    "))
	}
	if c.LocalNonPersistentFlags().HasFlags() {
		b.WriteString("\n")
		flags(b, c.LocalNonPersistentFlags())
	}
}

func flags(b *bytes.Buffer, set *pflag.FlagSet) {
	b.WriteString("| flag | meaning |\n| --- | --- |\n")
	set.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		use := f.Usage
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" {
			use += fmt.Sprintf(" (default `%s`)", f.DefValue)
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", name, strings.ReplaceAll(use, "|", "\\|"))
	})
}
