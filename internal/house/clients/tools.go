package clients

import "github.com/weighbridge/weighbridge/internal/workerenv"

func toolRows() []Row {
	const forward, reverse = workerenv.Forward, workerenv.Reverse
	curl := []string{"HTTPS_PROXY", "CURL_CA_BUNDLE"}
	lower := []string{"https_proxy"}
	return []Row{
		{Name: "curl", Client: "curl", Mode: forward, Env: curl, Way: CDN,
			Command: []string{"curl", "-fsSL", "-o", "{dir}/{file}", "{url}"}},
		{Name: "curl-placeholder", Client: "curl", Mode: forward, Env: curl, Way: CDN,
			Command: []string{"curl", "-fsSL", "-H", "Authorization: Bearer {placeholder}", "-o", "{dir}/{file}", "{url}"},
			Notes:   "For scripts that always send a token: it is replaced."},
		{Name: "curl-revision", Client: "curl", Mode: forward, Env: curl, What: PullRequest, Way: CDN,
			Command: []string{"curl", "-fsSL", "-o", "{dir}/{file}", "{url}"},
			Notes:   "A revision with slashes."},
		{Name: "curl-resume", Client: "curl", Mode: forward, Env: curl, Resume: true, Way: CDN,
			Command: []string{"curl", "-fsSL", "-C", "-", "-o", "{dir}/{file}", "{url}"},
			Notes:   "Goes on with what is there."},
		{Name: "wget", Client: "wget", Mode: forward, Env: lower, Way: CDN,
			Command: []string{"wget", "-nv", "--ca-certificate={bundle}", "-O", "{dir}/{file}", "{url}"},
			Notes:   "Reads the lower-case name only. Debian's wget takes no variable for its roots: `ca_certificate` in `~/.wgetrc` does the same as the option."},
		{Name: "wget-placeholder", Client: "wget", Mode: forward, Env: lower, Way: CDN,
			Command: []string{"wget", "-nv", "--ca-certificate={bundle}", "--header=Authorization: Bearer {placeholder}", "-O", "{dir}/{file}", "{url}"},
			Notes:   "wget repeats `--header` on the CDN, which would answer 400: weighbridge takes it off there."},
		{Name: "wget-resume", Client: "wget", Mode: forward, Env: lower, Resume: true, Way: CDN,
			Command: []string{"wget", "-nv", "-c", "--ca-certificate={bundle}", "-O", "{dir}/{file}", "{url}"},
			Notes:   "Goes on with what is there."},
		{Name: "aria2c", Client: "aria2c", Mode: forward, Env: lower, Way: CDN,
			Command: []string{"aria2c", "-q", "-x4", "-s4", "-k1M", "--ca-certificate={bundle}", "-d", "{dir}", "-o", "{file}", "{url}"},
			Notes:   "Reads the lower-case name only. It asks for each range by the Hub's own URL and follows the redirect every time."},
		{Name: "aria2c-placeholder", Client: "aria2c", Mode: forward, Env: lower, Way: CDN,
			Command: []string{"aria2c", "-q", "-x4", "-s4", "-k1M", "--ca-certificate={bundle}", "--header=Authorization: Bearer {placeholder}", "-d", "{dir}", "-o", "{file}", "{url}"},
			Notes:   "aria2c repeats `--header` on the CDN as well."},
		{Name: "git-lfs", Client: "git with git-lfs", Mode: forward, Env: []string{"HTTPS_PROXY", "GIT_SSL_CAINFO"}, What: Whole, Way: CDN,
			Command: []string{"git", "clone", "--quiet", "{git-url}", "{dir}/clone"},
			Notes:   "The token is put on as the password that git routes want."},

		{Name: "reverse-curl", Client: "curl", Mode: reverse, Way: CDN,
			Command: []string{"curl", "-fsSL", "-H", "Authorization: Bearer {key}", "-o", "{dir}/{file}", "{url}"},
			Notes:   "A header on the command line shows in `ps`; `-H @FILE` reads it from a file."},
		{Name: "reverse-curl-url-key", Client: "curl", Mode: reverse, Way: CDN,
			Command: []string{"curl", "-fsSL", "-o", "{dir}/{file}", "{key-url}"}},
		{Name: "reverse-curl-revision", Client: "curl", Mode: reverse, What: PullRequest, Way: CDN,
			Command: []string{"curl", "-fsSL", "-o", "{dir}/{file}", "{key-url}"},
			Notes:   "A revision with slashes."},
		{Name: "reverse-curl-resume", Client: "curl", Mode: reverse, Resume: true, Way: CDN,
			Command: []string{"curl", "-fsSL", "-C", "-", "-H", "Authorization: Bearer {key}", "-o", "{dir}/{file}", "{url}"},
			Notes:   "Goes on with what is there."},
		{Name: "reverse-wget-url-key", Client: "wget", Mode: reverse, Way: CDN,
			Command: []string{"wget", "-nv", "-O", "{dir}/{file}", "{key-url}"}},
		{Name: "reverse-wget-resume", Client: "wget", Mode: reverse, Resume: true, Way: CDN,
			Command: []string{"wget", "-nv", "-c", "-O", "{dir}/{file}", "{key-url}"},
			Notes:   "Goes on with what is there."},
		{Name: "reverse-aria2c-url-key", Client: "aria2c", Mode: reverse, Way: CDN,
			Command: []string{"aria2c", "-q", "-x4", "-s4", "-k1M", "-d", "{dir}", "-o", "{file}", "{key-url}"}},
		{Name: "reverse-git-lfs", Client: "git with git-lfs", Mode: reverse, What: Whole, Way: CDN,
			Command: []string{"git", "clone", "--quiet", "{git-url}", "{dir}/clone"},
			Notes:   "The API key as the password; a credential helper keeps it out of the URL. LFS objects come back through weighbridge as well."},
		{Name: "reverse-git-lfs-url-key", Client: "git with git-lfs", Mode: reverse, What: Whole, Way: CDN,
			Command: []string{"git", "clone", "--quiet", "{key-base}/huggingface.co/{repo}", "{dir}/clone"}},
	}
}
