package clients

import "github.com/weighbridge/weighbridge/internal/workerenv"

// Way is how a large file's bytes reach a client.
type Way string

// The ways.
const (
	// Xet is in ranges from the transfer host, put together by hf_xet.
	Xet Way = "xet"
	// CDN is in one stream from a signed URL.
	CDN Way = "signed URL"
)

// Row is one client in one mode.
type Row struct {
	// Name is short and unique: the name of its test.
	Name   string
	Client string
	Mode   workerenv.Mode
	// Env names the variables that the client needs of those that
	// `weighbridge env` prints.
	Env []string
	// Set are variables beside those; Why goes into the notes.
	Set []workerenv.Var
	// Command is what to run; see Words for what stands in braces.
	Command []string
	// Whole repositories are compared file by file, otherwise the one file
	// that {url} and {file} name.
	Whole bool
	// Patterns of the credential; nil takes the provider's defaults.
	Patterns []string
	Way      Way
	Notes    string
}

// Words are what stands in braces in a Command or in the Value of a variable.
type Words struct {
	Python  string // {python}
	Scripts string // {scripts}: testdata/clients
	Repo    string // {repo}
	File    string // {file}
	Dir     string // {dir}: where to download to
	URL     string // {url}: the file on the Hub; in reverse mode below {base}
	KeyURL  string // {key-url}: the file by URL key
	Key     string // {key}
	Bundle  string // {bundle}: public roots and ours
	Token   string // {placeholder}: a token that stands for none
}

const orgPattern = "huggingface.co/acme/*"

// Table lists every client in every mode that it can be used in.
func Table() []Row {
	const forward, reverse = workerenv.Forward, workerenv.Reverse
	const (
		hub    = "huggingface_hub 2.4.0"
		hubXet = "huggingface_hub 2.4.0 with hf_xet 1.8.0"
	)
	proxyAndRoots := []string{"HTTPS_PROXY", "SSL_CERT_FILE"}
	endpoint := []string{"HF_ENDPOINT", "HF_TOKEN"}
	noXet := []workerenv.Var{{Name: "HF_HUB_DISABLE_XET", Value: "1"}}
	download := []string{"{python}", "{scripts}/hub_download.py", "{repo}", "{dir}", "{file}"}
	snapshot := []string{"{python}", "{scripts}/hub_snapshot.py", "{repo}", "{dir}"}
	return []Row{
		{Name: "hub-xet", Client: hubXet, Mode: forward, Env: proxyAndRoots, Command: download, Way: Xet,
			Notes: "`hf_hub_download`; also what transformers and diffusers call. hf_xet takes proxy and roots from the same variables. No token is needed; where a library refuses to start without one, take the placeholder that `weighbridge env` prints."},
		{Name: "hub-no-xet", Client: hub, Mode: forward, Env: proxyAndRoots, Set: noXet, Command: download, Way: CDN,
			Notes: "`hf_hub_download` by the classic path: one stream for each file."},
		{Name: "hub-snapshot-xet", Client: hubXet, Mode: forward, Env: proxyAndRoots, Command: snapshot, Whole: true, Way: Xet,
			Notes: "`snapshot_download`."},
		{Name: "hub-snapshot-no-xet", Client: hub, Mode: forward, Env: proxyAndRoots, Set: noXet, Command: snapshot, Whole: true, Way: CDN,
			Notes: "`snapshot_download` by the classic path."},
		{Name: "hub-org-xet", Client: hubXet, Mode: forward, Env: proxyAndRoots, Command: download, Patterns: []string{orgPattern}, Way: Xet,
			Notes: "With a credential for one organisation only."},
		{Name: "hub-org-snapshot", Client: hub, Mode: forward, Env: proxyAndRoots, Set: noXet, Command: snapshot, Whole: true, Patterns: []string{orgPattern}, Way: CDN,
			Notes: "With a credential for one organisation only."},
		{Name: "hub-placeholder", Client: hubXet, Mode: forward, Env: []string{"HTTPS_PROXY", "SSL_CERT_FILE", "HF_TOKEN"}, Command: download, Way: Xet,
			Notes: "With the placeholder token, which weighbridge replaces."},
		{Name: "curl", Client: "curl", Mode: forward, Env: []string{"HTTPS_PROXY", "CURL_CA_BUNDLE"}, Way: CDN,
			Command: []string{"curl", "-fsSL", "-o", "{dir}/{file}", "{url}"}},
		{Name: "curl-placeholder", Client: "curl", Mode: forward, Env: []string{"HTTPS_PROXY", "CURL_CA_BUNDLE"}, Way: CDN,
			Command: []string{"curl", "-fsSL", "-H", "Authorization: Bearer {placeholder}", "-o", "{dir}/{file}", "{url}"},
			Notes:   "For scripts that always send a token: it is replaced."},
		{Name: "wget", Client: "wget", Mode: forward, Env: []string{"https_proxy"}, Way: CDN,
			Command: []string{"wget", "-nv", "--ca-certificate={bundle}", "-O", "{dir}/{file}", "{url}"},
			Notes:   "Reads the lower-case name only. Debian's wget takes no variable for its roots: `ca_certificate` in `~/.wgetrc` does the same as the option."},
		{Name: "wget-placeholder", Client: "wget", Mode: forward, Env: []string{"https_proxy"}, Way: CDN,
			Command: []string{"wget", "-nv", "--ca-certificate={bundle}", "--header=Authorization: Bearer {placeholder}", "-O", "{dir}/{file}", "{url}"},
			Notes:   "wget repeats `--header` on the CDN, which would answer 400: weighbridge takes it off there."},
		{Name: "requests", Client: "Python requests 2.34.2", Mode: forward, Env: []string{"HTTPS_PROXY", "REQUESTS_CA_BUNDLE"}, Way: CDN,
			Command: []string{"{python}", "{scripts}/fetch_requests.py", "{url}", "{dir}/{file}"}},
		{Name: "requests-placeholder", Client: "Python requests 2.34.2", Mode: forward, Env: []string{"HTTPS_PROXY", "REQUESTS_CA_BUNDLE"}, Way: CDN,
			Command: []string{"{python}", "{scripts}/fetch_requests.py", "{url}", "{dir}/{file}", "{placeholder}"},
			Notes:   "With a token in the request's headers: it is replaced."},
		{Name: "urllib", Client: "Python urllib", Mode: forward, Env: proxyAndRoots, Way: CDN,
			Command: []string{"{python}", "{scripts}/fetch_urllib.py", "{url}", "{dir}/{file}"},
			Notes:   "Also what torch.hub and torchvision use."},
		{Name: "urllib-placeholder", Client: "Python urllib", Mode: forward, Env: proxyAndRoots, Way: CDN,
			Command: []string{"{python}", "{scripts}/fetch_urllib.py", "{url}", "{dir}/{file}", "{placeholder}"},
			Notes:   "urllib repeats Authorization on the CDN, which would answer 400: weighbridge takes it off there."},
		{Name: "git-lfs", Client: "git with git-lfs", Mode: forward, Env: []string{"HTTPS_PROXY", "GIT_SSL_CAINFO"}, Way: CDN, Whole: true,
			Command: []string{"git", "clone", "--quiet", "https://huggingface.co/{repo}", "{dir}/clone"},
			Notes:   "The token is put on as the password that git routes want."},

		{Name: "reverse-hub", Client: hubXet, Mode: reverse, Env: endpoint, Command: download, Way: CDN,
			Notes: "`hf_hub_download`; the API key in its `hf_` form, which is the form that other Hub clients insist on. xet is hidden, so bytes come by the classic path through weighbridge and the worker needs no other way out."},
		{Name: "reverse-hub-wbk", Client: hubXet, Mode: reverse, Env: []string{"HF_ENDPOINT"}, Set: []workerenv.Var{{Name: "HF_TOKEN", Value: "{key}", Secret: true}}, Command: download, Way: CDN,
			Notes: "The API key as it was shown."},
		{Name: "reverse-hub-snapshot", Client: hub, Mode: reverse, Env: endpoint, Command: snapshot, Whole: true, Way: CDN,
			Notes: "`snapshot_download`."},
		{Name: "reverse-hub-org", Client: hub, Mode: reverse, Env: endpoint, Command: snapshot, Whole: true, Patterns: []string{orgPattern}, Way: CDN,
			Notes: "With a credential for one organisation only."},
		{Name: "reverse-curl", Client: "curl", Mode: reverse, Way: CDN,
			Command: []string{"curl", "-fsSL", "-H", "Authorization: Bearer {key}", "-o", "{dir}/{file}", "{url}"},
			Notes:   "A header on the command line shows in `ps`; `-H @FILE` reads it from a file."},
		{Name: "reverse-curl-url-key", Client: "curl", Mode: reverse, Way: CDN,
			Command: []string{"curl", "-fsSL", "-o", "{dir}/{file}", "{key-url}"}},
		{Name: "reverse-wget-url-key", Client: "wget", Mode: reverse, Way: CDN,
			Command: []string{"wget", "-nv", "-O", "{dir}/{file}", "{key-url}"}},
		{Name: "reverse-requests-url-key", Client: "Python requests 2.34.2", Mode: reverse, Way: CDN,
			Command: []string{"{python}", "{scripts}/fetch_requests.py", "{key-url}", "{dir}/{file}"}},
		{Name: "reverse-urllib-url-key", Client: "Python urllib", Mode: reverse, Way: CDN,
			Command: []string{"{python}", "{scripts}/fetch_urllib.py", "{key-url}", "{dir}/{file}"}},
	}
}
