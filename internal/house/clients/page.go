package clients

import (
	"fmt"
	"strings"

	"github.com/weighbridge/weighbridge/internal/workerenv"
)

const pageHead = `# Clients

<!-- Written from internal/house/clients by its test: change the table there and run
     go test ./internal/house/clients -update -->

For each client and mode: the variables to set on the worker, and what to run. Nothing else is needed, and no token of an
upstream ever stands on a worker. ` + "`weighbridge env`" + ` prints all variables of a mode at once, in the syntax of your shell, and
setting them all does no harm; the tables say which of them a client really reads. Every row is run by ` + "`make test`" + ` against
fakes that verify what reaches them: with a gated repository, a worker without a token or with the placeholder, and every
byte compared by SHA-256.

` + "`PROXY`" + ` is weighbridge's host; ` + "`BUNDLE`" + ` is the file that ` + "`weighbridge env`" + ` writes, public roots and ours, because most
of these variables *replace* a client's trust store; ` + "`PLACEHOLDER`" + ` is the token without meaning that it prints. The scripts
are in ` + "`testdata/clients`" + ` and hold a few lines each.

`

const forwardHead = `## Forward mode

The worker keeps its URLs. Its clients send them through weighbridge as their proxy, with the API key as the proxy's password:
` + "`HTTPS_PROXY=http://weighbridge:$WEIGHBRIDGE_KEY@PROXY:8080`" + `.

`

const reverseHead = `
## Reverse mode

The worker is given weighbridge's own URLs: the Hub's host becomes the first segment of the path. No proxy variable and no
certificate is needed (unless the listener has TLS), and the worker needs no way out but weighbridge. A client that can only be given a URL takes a URL key
(` + "`weighbridge key create --url-key`" + `), which reads and nothing else, in the path.

`

// sectionHeads stand before the table of a section.
var sectionHeads = map[Section]string{
	Store: `A worker's image may carry our root in its own store instead of variables that name a bundle:

    sudo weighbridge ca install --from http://PROXY:8080 --sha256 FINGERPRINT

on Debian, Ubuntu, Alpine, RHEL, Fedora, SUSE and Arch; FINGERPRINT is what ` + "`weighbridge ca show`" + ` prints where weighbridge runs, and
` + "`weighbridge ca uninstall`" + ` takes the root out again. ` + "`--into FILE`" + ` adds it to a PEM file that a library brought along instead.

These clients then need no variable for their roots. Python's requests and httpx, huggingface_hub 1.x and Node bring
their roots along and go on needing theirs.

`,
	TLS: `With ` + "`tls.own_ca`" + `, or ` + "`tls.cert_file`" + `, the proxy's URL begins with ` + "`https://`" + ` and the API key crosses the network sealed. The
bundle has our root, and public ones; where the listener's certificate comes from an authority that is in neither,
` + "`weighbridge env`" + ` says so. Most clients verify the proxy by what they verify everything else by. git has a variable of its own,
` + "`GIT_PROXY_SSL_CAINFO`" + `, which ` + "`weighbridge env`" + ` prints. curl has none: give it ` + "`--proxy-cacert`" + `, or write
` + "`proxy-cacert = \"BUNDLE\"`" + ` into ` + "`~/.curlrc`" + `.

**wget, aria2, and Python's urllib and aiohttp speak no TLS to a proxy** (aiohttp then passes it by and connects directly): take
reverse mode for them, which the same listener serves, or a second weighbridge beside the worker. ` + "`weighbridge env`" + ` says so as
well. Their rows in reverse mode are below.

`,
}

// tlsReverseHead stands before the rows of reverse mode over TLS.
const tlsReverseHead = `Every client that speaks HTTPS speaks it to weighbridge in reverse mode, also those that speak no TLS to a proxy. It needs
the listener's authority, by the variables of forward mode: they name the bundle, which has our root (` + "`tls.own_ca`" + `).

`

const pageFoot = `
## Azure and registries

Run by ` + "`make test`" + ` against Azurite, Azure's own emulator, by SAS token, account key and Entra, and against a container registry that
wants tokens (` + "`internal/house/realclouds`" + `). The worker names no key, no SAS and no token ([azure.md](azure.md) goes through it):

| client | forward mode | reverse mode |
|---|---|---|
| curl | ` + "`curl -o FILE https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB`" + ` | ` + "`curl -o FILE http://PROXY:8080/.weighbridge/k/URL-KEY/ACCOUNT.blob.core.windows.net/CONTAINER/BLOB`" + ` |
| azure-storage-blob 12.31.1 (Python) | ` + "`HTTPS_PROXY`" + ` ` + "`REQUESTS_CA_BUNDLE`" + `; ` + "`BlobClient.from_blob_url(URL)`" + ` without a credential, also ` + "`ContainerClient.list_blobs`" + ` | the same with the URL above |
| @azure/storage-blob 12.32.0 (Node) | ` + "`HTTPS_PROXY`" + ` ` + "`NODE_EXTRA_CA_CERTS`" + `; ` + "`new BlobClient(URL, new AnonymousCredential())`" + ` | the same with the URL above |
| anonymous requests to a container registry | ` + "`HTTPS_PROXY`" + ` and the bundle; as for a public repository, without a login | |

A pattern for one container, ` + "`ACCOUNT.blob.core.windows.net/CONTAINER/*`" + `, does not cover the container itself: to let workers list it, add
` + "`ACCOUNT.blob.core.windows.net/CONTAINER`" + `.

Google's registries, Artifact Registry and gcr.io, redirect a blob to ` + "`/artifacts-downloads/…`" + ` on their own host, where the path alone is the
power to read it. A pattern such as ` + "`us-docker.pkg.dev/v2/PROJECT/REPOSITORY/*`" + ` lets that through as well, for reading, and nothing is put on
it; a key that has routes needs ` + "`us-docker.pkg.dev/artifacts-downloads/*`" + ` among them.

## S3 clients

Any S3 client takes weighbridge for its S3. The worker gets an S3 access key of weighbridge's own, and no way out is needed but
weighbridge. Path style works with any name of the listener; virtual-host style with one below ` + "`s3.domains`" + `. Any region will do.
Run by ` + "`make test`" + ` against versitygw with these settings (` + "`internal/house/s3servers`" + `); [s3.md](s3.md) goes through it, and through forward mode, where
S3 clients send no signature (` + "`aws --no-sign-request`" + `) or one by any keys:

    weighbridge s3-key create --name trainer --credential models --bucket acme-models --prefix sd/
    export AWS_ACCESS_KEY_ID=WBAK… AWS_SECRET_ACCESS_KEY=… AWS_ENDPOINT_URL=http://PROXY:8080 AWS_DEFAULT_REGION=us-east-1

| client | what is run | notes |
|---|---|---|
| boto3 1.43.11 | ` + "`get_object`" + ` with ranges, ` + "`head_object`" + `, lists and paginators, ` + "`download_file`" + ` by 16 ranges at a time; with a key that may write ` + "`put_object`" + `, ` + "`upload_file`" + ` in parts, copies, ` + "`delete_objects`" + ` | Presigned URLs need ` + "`Config(signature_version='s3v4')`" + `: boto3 presigns by version 2 otherwise, and is told so. |
| AWS CLI 1.45.11 | ` + "`aws s3 cp --recursive s3://acme-models/sd/ DIR`" + `, ` + "`ls`" + `, ` + "`sync`" + `, ` + "`rm`" + ` | Below a prefix, name it with its slash. |
| @aws-sdk/client-s3 3.1169.0 (Node) | ` + "`GetObject`" + `, ` + "`HeadObject`" + `, lists, ` + "`PutObject`" + ` | ` + "`forcePathStyle: true`" + ` |
| curl | ` + "`curl --aws-sigv4 aws:amz:us-east-1:s3 --user ID:SECRET -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' http://PROXY:8080/BUCKET/KEY`" + ` | curl before 8 does not send the field by itself. |

## What to know

- huggingface_hub 2.x verifies by the operating system's store, 1.x by certifi's; ` + "`SSL_CERT_FILE`" + ` goes before both.
  ` + "`REQUESTS_CA_BUNDLE`" + ` means nothing to them, nor to hf_xet; it is for requests, and so for huggingface_hub 0.x.
- ` + "`HTTPS_PROXY`" + ` in upper case is read by all but wget and aria2, which want ` + "`https_proxy`" + `; set both, as ` + "`weighbridge env`" + ` does.
- A refusal says why. huggingface_hub prints our own refusals as errors (1.x and later also what the Hub refused, as a warning
  that begins with ` + "`weighbridge:`" + `). curl hides an answer's body behind ` + "`-f`" + `: use ` + "`--fail-with-body`" + `, and ` + "`-i`" + ` to see
  ` + "`X-Weighbridge-Decision`" + `, which names the credential that an upstream refused. A request with ` + "`X-Weighbridge-Explain: 1`" + ` has
  that field on every answer.
- ` + "`weighbridge doctor URL`" + `, run on the worker, finds out in one go why a download fails, and says which line mends it.
- A download that breaks off at the upstream is completed by weighbridge, also for clients that would not go on by themselves.
- Civitai sends some downloads to its login page. weighbridge refuses that page, so that no client saves it as a model.
- A global ` + "`http.extraHeader`" + ` of git is sent to every host; use ` + "`http.https://huggingface.co/.extraHeader`" + ` where you need one.
- llama.cpp reads no proxy variable: use it in reverse mode.
`

// Page is docs/clients.md.
func Page() string {
	var b strings.Builder
	b.WriteString(pageHead + forwardHead)
	sections(&b, workerenv.Forward)
	b.WriteString(reverseHead)
	sections(&b, workerenv.Reverse)
	b.WriteString(pageFoot)
	return b.String()
}

// sections writes the tables of one mode, each under its heading.
func sections(b *strings.Builder, mode workerenv.Mode) {
	for _, s := range Sections() {
		var rows []Row
		for _, r := range Table() {
			if r.Mode == mode && r.Section == s {
				rows = append(rows, r)
			}
		}
		if len(rows) == 0 {
			continue
		}
		head := sectionHeads[s]
		if s == TLS && mode == workerenv.Reverse {
			head = tlsReverseHead
		}
		fmt.Fprintf(b, "\n### %s\n\n%s", s, head)
		table(b, rows)
	}
}

func table(b *strings.Builder, rows []Row) {
	b.WriteString("| client | variables | run | bytes come by | notes |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		vars := []string{"none"}
		if shown := r.ShownVariables(); len(shown) > 0 {
			vars = nil
			for _, v := range shown {
				vars = append(vars, "`"+v+"`")
			}
		}
		notes := r.Notes
		if len(r.Patterns) > 0 {
			notes = strings.TrimSuffix(notes, ".") + " (`huggingface.co/ORG/*`)."
		}
		fmt.Fprintf(b, "| %s | %s | `%s` | %s | %s |\n", r.Client, strings.Join(vars, " "), r.Shown(), r.Way, notes)
	}
}
