package clients

import (
	"fmt"
	"strings"

	"github.com/weighbridge/weighbridge/internal/workerenv"
)

const pageHead = `# Clients

<!-- Written from internal/house/clients by its test: change the table there and run
     go test ./internal/house/clients -update -->

For each client and mode: the variables to set on the worker, and what to run. Nothing else is needed, and no token of the
Hub ever stands on a worker. ` + "`weighbridge env`" + ` prints all variables of a mode at once, in the syntax of your shell, and
setting them all does no harm; the tables say which of them a client really reads. Every row is run by ` + "`make test`" + ` against a
hub that verifies what reaches it: with a gated repository, a worker without a token or with the placeholder, and every
byte compared by SHA-256.

` + "`PROXY`" + ` is weighbridge's host; ` + "`BUNDLE`" + ` is the file that ` + "`weighbridge env`" + ` writes, public roots and ours, because most
of these variables *replace* a client's trust store; ` + "`PLACEHOLDER`" + ` is the token without meaning that it prints. The Python
scripts are in ` + "`testdata/clients`" + ` and hold a few lines each.

`

const forwardHead = `## Forward mode

The worker keeps its URLs. Its clients send them through weighbridge as their proxy, with the API key as the proxy's password:
` + "`HTTPS_PROXY=http://weighbridge:$WEIGHBRIDGE_KEY@PROXY:8080`" + `.

`

const reverseHead = `
## Reverse mode

The worker is given weighbridge's own URLs: the Hub's host becomes the first segment of the path. No proxy variable and no
certificate is needed, and the worker needs no way out but weighbridge. A client that can only be given a URL takes a URL key
(` + "`weighbridge key create --url-key`" + `), which reads and nothing else, in the path.

`

const pageFoot = `
## What to know

- huggingface_hub 2.x verifies by the operating system's store; ` + "`SSL_CERT_FILE`" + ` goes before it. ` + "`REQUESTS_CA_BUNDLE`" + ` means nothing
  to it, nor to hf_xet.
- ` + "`HTTPS_PROXY`" + ` in upper case is read by all but wget and aria2, which want ` + "`https_proxy`" + `; set both, as ` + "`weighbridge env`" + ` does.
- A global ` + "`http.extraHeader`" + ` of git is sent to every host; use ` + "`http.https://huggingface.co/.extraHeader`" + ` where you need one.
- llama.cpp reads no proxy variable: use it in reverse mode.
`

// Page is docs/clients.md.
func Page() string {
	var b strings.Builder
	b.WriteString(pageHead + forwardHead)
	table(&b, workerenv.Forward)
	b.WriteString(reverseHead)
	table(&b, workerenv.Reverse)
	b.WriteString(pageFoot)
	return b.String()
}

func table(b *strings.Builder, mode workerenv.Mode) {
	b.WriteString("| client | variables | run | bytes come by | notes |\n|---|---|---|---|---|\n")
	for _, r := range Table() {
		if r.Mode != mode {
			continue
		}
		var vars []string
		for _, name := range r.Env {
			vars = append(vars, "`"+name+"`")
		}
		for _, v := range r.Set {
			value := strings.ReplaceAll(v.Value, "{key}", "$WEIGHBRIDGE_KEY")
			vars = append(vars, "`"+v.Name+"="+value+"`")
		}
		if len(vars) == 0 {
			vars = []string{"none"}
		}
		notes := r.Notes
		if len(r.Patterns) > 0 {
			notes = strings.TrimSuffix(notes, ".") + " (`huggingface.co/ORG/*`)."
		}
		fmt.Fprintf(b, "| %s | %s | `%s` | %s | %s |\n", r.Client, strings.Join(vars, " "), r.Shown(), r.Way, notes)
	}
}
