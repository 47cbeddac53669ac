package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Scripts and other tools rely on these command lines: each is a command that
// there is, with flags that there are and arguments that it takes.
func TestPromisedCommandLines(t *testing.T) {
	for _, line := range []string{
		"serve --config FILE --data-dir DIR --listen ADDR --admin-listen ADDR --drain 10m",
		"check --config FILE",
		"credential create --provider P --name N --set FIELD=@FILE --set FIELD=env:VAR --set FIELD=- --pattern P --pattern Q --key K --key L --insecure-literal",
		"credential list --json",
		"credential show ID",
		"credential update ID --set token=- --pattern P",
		"credential delete ID --yes",
		"key create --name N --scope write --expires 90d --route P --route Q --unmatched deny --url-key --credential C --json",
		"credential import FILE --format env --pattern NAME=P --key K --environment --yes",
		"key list",
		"key show ID",
		"key update ID --route P",
		"key revoke ID --yes",
		"key regenerate ID --yes",
		"key delete ID --yes",
		"link CREDENTIAL KEY",
		"unlink CREDENTIAL KEY",
		"explain URL --key KEY --method GET",
		"env --key @FILE --mode forward --shell sh",
		"env --key env:VAR --mode reverse --shell k8s",
		"ca show",
		"ca export",
		"ca rotate",
		"ca install --from F --into F --sha256 P",
		"ca uninstall --into F",
		"preflight FILE URL hf://o/n --proxy-url U --key @FILE --parallel 4 --json",
		"doctor URL URL --proxy-url U --key @FILE --python P --timeout 3s",
		"audit --since 1h --follow --key K --credential C",
		"env --no-key --ca-file F --proxy-url U --bundle B --out O --direct H",
		"inject --image I --tls-cert F --tls-key F --listen A --config-map N --credentials N --ca N",
		"healthcheck --connect HOST --key @FILE --proxy-url URL --ca-file F --timeout 3s",
		"transfers --follow",
		"demo",
		"version",
		"completion bash",
	} {
		a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, now: time.Now}
		root := a.command()
		root.InitDefaultCompletionCmd("completion", "bash")
		words := strings.Fields(line)
		c, rest, err := root.Find(words)
		if err != nil || c == root {
			t.Errorf("%s: there is no such command: %v", line, err)
			continue
		}
		if err := c.ParseFlags(rest); err != nil {
			t.Errorf("%s: %v", line, err)
		} else if err := c.ValidateArgs(c.Flags().Args()); err != nil {
			t.Errorf("%s: %v", line, err)
		} else if err := c.ValidateRequiredFlags(); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// The default data directory is never committed by somebody who starts
// weighbridge in a checkout.
func TestTheDataDirectoryIsIgnored(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", ".gitignore"))
	if err != nil || !strings.Contains("\n"+string(text), "\n/weighbridge-data/\n") {
		t.Errorf("%v in %q", err, text)
	}
}
