package doctor

import (
	"context"
	"os/exec"
	"strings"
	"time"
)

// family is a kind of client by where it takes its roots from.
type family struct {
	// name is a stable word, clients are those who belong to it.
	name, clients string
	// variables replace its trust store, the first that is set; adds says that
	// they add to it.
	variables []string
	adds      bool
	// program says that the family is on this worker; empty is always.
	program string
	// setting is what the program's own configuration names; it stands behind
	// the variables.
	setting []string
	// without is what it trusts where nothing is set.
	without source
	// apart says that it does not verify a proxy with TLS by any of this.
	apart bool
	// s is how much it matters that it would fail.
	s Severity
}

// source is where roots come from without a variable.
type source int

const (
	fromStore   source = iota // the operating system's
	fromCertifi               // the file that Python's certifi brings along
	fromOpenSSL               // what Python's OpenSSL was built to read
	fromItself                // roots inside of the program
)

// python stands for the interpreter in families.
const python = "python3"

// families are the clients of docs/clients.md by their trust.
func families() []family {
	return []family{
		{name: "openssl", clients: "Python's urllib and aiohttp, torch.hub, ComfyUI-Manager, hf_transfer", variables: []string{"SSL_CERT_FILE"}, program: python, without: fromOpenSSL, apart: true, s: Fault},
		{name: "httpx", clients: "huggingface_hub 1.x, comfy-cli", variables: []string{"SSL_CERT_FILE"}, program: python, without: fromCertifi, s: Fault},
		{name: "requests", clients: "Python requests, huggingface_hub 0.x, nodes for Civitai", variables: []string{"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}, program: python, without: fromCertifi, s: Fault},
		{name: "certifi", clients: "Lora-Manager and others that name certifi's file themselves", program: python, without: fromCertifi, s: Warning},
		{name: "pip", clients: "pip", variables: []string{"PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}, program: "pip", s: Warning},
		{name: "curl", clients: "curl", variables: []string{"CURL_CA_BUNDLE", "SSL_CERT_FILE"}, program: "curl", apart: true, s: Fault},
		{name: "git", clients: "git and git-lfs", variables: []string{"GIT_SSL_CAINFO"}, program: "git", setting: []string{"config", "--get", "http.sslCAInfo"}, apart: true, s: Fault},
		{name: "node", clients: "Node.js", variables: []string{"NODE_EXTRA_CA_CERTS"}, adds: true, program: "node", without: fromItself, s: Fault},
		{name: "aws", clients: "boto3 and the aws CLI", variables: []string{"AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"}, program: "aws", without: fromItself, s: Fault},
		{name: "rust", clients: "hf_xet and other Rust clients, Go", variables: []string{"SSL_CERT_FILE"}, s: Fault},
		{name: "system", clients: "clients that read the operating system's store alone (Rust without SSL_CERT_FILE, aria2, wget)", s: Warning},
	}
}

// has reports whether a program is on this worker.
func (x *examination) has(ctx context.Context, program string) bool {
	_, err := x.run(ctx, x.program(program), "--version")
	return !isNotFound(err)
}

// program is a family's program by the name that it has here.
func (x *examination) program(name string) string {
	if name == python && x.o.Python != "" {
		return x.o.Python
	}
	return name
}

// programPatience bounds a question to a program of the worker's.
const programPatience = 10 * time.Second

// run runs a program and returns what it prints.
func run(ctx context.Context, name string, args ...string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, programPatience)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).Output()
	return strings.TrimSpace(string(out)), err
}
