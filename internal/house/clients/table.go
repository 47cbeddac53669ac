package clients

import (
	"slices"

	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// Way is how a large file's bytes reach a client.
type Way string

// The ways.
const (
	// Xet is in ranges from the transfer host, put together by hf_xet.
	Xet Way = "xet"
	// CDN is in one stream from a signed URL.
	CDN Way = "signed URL"
	// Blind is through a tunnel that weighbridge does not look into.
	Blind Way = "blind tunnel"
)

// What is downloaded by a row.
type What int

// What there is to download.
const (
	// Weights is the one large file of a gated model.
	Weights What = iota
	// Whole is every file of that model.
	Whole
	// Plain is every file of a model whose names need no escaping.
	Plain
	// PullRequest is Weights as of refs/pr/1, a revision with slashes.
	PullRequest
	// Sharded is a model in shards with an index, as transformers loads it.
	Sharded
	// Pipeline is a model in parts, as diffusers loads it.
	Pipeline
	// Dataset is a dataset, as the datasets library loads it.
	Dataset
	// Civitai is a model on Civitai.
	Civitai
	// Comfy is a result of Comfy Cloud.
	Comfy
	// Package is a Python package from an index that has nothing to do with
	// any credential.
	Package
)

// Section is a heading of the page. The suite runs sections side by side.
type Section string

// The sections.
const (
	Hub2    Section = "huggingface_hub 2.x and what is built on it"
	Hub1    Section = "huggingface_hub 1.x and before"
	Tools   Section = "On the command line"
	Scripts Section = "Python and Node"
	ComfyUI Section = "ComfyUI, Civitai, Comfy Cloud"
	Other   Section = "Other hosts"
	Store   Section = "With our root in the operating system's store"
	TLS     Section = "With TLS on weighbridge's listener"
)

// Sections lists the sections in the order of the page.
func Sections() []Section { return []Section{Hub2, Hub1, Tools, Scripts, ComfyUI, Other, Store, TLS} }

// Row is one client in one mode.
type Row struct {
	// Name is short and unique: the name of its test.
	Name    string
	Client  string
	Section Section
	Mode    workerenv.Mode
	// Env names the variables that the client needs of those that
	// `weighbridge env` prints.
	Env []string
	// Set are variables beside those; Why goes into the notes.
	Set []workerenv.Var
	// Command is what to run; see Words for what stands in braces.
	Command []string
	What    What
	// Resume rows begin with a part of the file in place.
	Resume bool
	// Respells is set for clients that spell the query of a redirect anew, so
	// that a signed URL does not arrive byte for byte; real stores allow that.
	Respells bool
	// Patterns of the credential; nil takes the provider's defaults.
	Patterns []string
	Way      Way
	Notes    string
}

const orgPattern = "huggingface.co/acme/*"

// What the rows have in common.
var (
	proxyAndRoots = []string{"HTTPS_PROXY", "SSL_CERT_FILE"}
	endpoint      = []string{"HF_ENDPOINT", "HF_TOKEN"}
	noXet         = []workerenv.Var{{Name: "HF_HUB_DISABLE_XET", Value: "1"}}
)

// Table lists every client in every mode that it can be used in.
func Table() []Row {
	return slices.Concat(
		in(Hub2, hub2Rows()), in(Hub1, hub1Rows()), in(Tools, toolRows()), in(Scripts, scriptRows()),
		in(ComfyUI, comfyRows()), in(Other, otherRows()), in(Store, storeRows()), in(TLS, tlsRows()))
}

func in(s Section, rows []Row) []Row {
	for i := range rows {
		rows[i].Section = s
	}
	return rows
}
