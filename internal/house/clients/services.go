package clients

import "github.com/weighbridge/weighbridge/internal/workerenv"

const (
	manager  = "ComfyUI-Manager 4.3"
	comfyCLI = "comfy-cli 1.23.0"
)

func comfyRows() []Row {
	const forward, reverse = workerenv.Forward, workerenv.Reverse
	requestsRoots := []string{"HTTPS_PROXY", "REQUESTS_CA_BUNDLE"}
	both := []string{"HTTPS_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}
	tool := func(args ...string) []string { return fetch("{python1}", "comfy_tools.py", args...) }
	const file = "{dir}/{file}"
	return []Row{
		{Name: "manager", Client: manager, Mode: forward, Env: proxyAndRoots, Way: CDN,
			Command: tool("manager", "{url}", file),
			Notes:   "A model by its URL on the Hub, which it fetches by torchvision's function. It never sends a token."},
		{Name: "manager-repo", Client: manager, Mode: forward, Env: both, What: Plain, Way: CDN,
			Command: tool("manager-repo", "{repo}", "{dir}"),
			Notes:   "A whole repository, whose file names it does not escape. It names the Hub's host itself, so there is no reverse mode for it."},
		{Name: "comfy-cli", Client: comfyCLI, Mode: forward, Env: both, Way: CDN,
			Command: tool("comfy-cli", "{url}", file),
			Notes:   "`comfy model download`. Without weighbridge it asks for `HF_API_TOKEN`; through it, it never sees the 401 that would make it ask."},
		{Name: "civitai-requests", Client: requests, Mode: forward, Env: requestsRoots, What: Civitai, Way: CDN,
			Command: fetch("{python1}", "fetch_requests.py", "{url}", file)},
		{Name: "civitai-requests-token", Client: requests, Mode: forward, Env: requestsRoots, What: Civitai, Way: CDN,
			Command: fetch("{python1}", "fetch_requests.py", "{url}?token=none", file),
			Notes:   "With a token in the query, as many nodes write it: it is taken off."},
		{Name: "civitai-urllib", Client: "Python urllib", Mode: forward, Env: proxyAndRoots, What: Civitai, Way: CDN,
			Command: fetch("{python1}", "fetch_urllib.py", "{url}", file, "none", "ComfyUI/1.0"),
			Notes:   "With a User-Agent of its own: Civitai refuses urllib's. urllib repeats Authorization at the store, which would answer 400: weighbridge takes it off there."},
		{Name: "civitai-aiohttp", Client: aiohttp, Mode: forward, Env: proxyAndRoots, What: Civitai, Respells: true, Way: CDN,
			Command: fetch("{python1}", "fetch_aiohttp.py", "{url}", file)},
		{Name: "civitai-manager", Client: manager, Mode: forward, Env: proxyAndRoots, What: Civitai, Way: CDN,
			Command: tool("manager-agent", "{url}", file),
			Notes:   "A model by its URL on any host but the Hub and GitHub."},
		{Name: "civitai-comfy-cli", Client: comfyCLI, Mode: forward, Env: both, What: Civitai, Way: CDN,
			Command: tool("comfy-cli", "{url}", file),
			Notes:   "`comfy model download`, which asks for the model's description first."},
		{Name: "comfy-requests", Client: requests, Mode: forward, Env: requestsRoots, What: Comfy, Way: CDN,
			Command: fetch("{python1}", "fetch_requests.py", "{url}", file),
			Notes:   "No key on the worker: weighbridge puts `X-API-Key` on, and not at the store that it redirects to."},
		{Name: "comfy-urllib", Client: "Python urllib", Mode: forward, Env: proxyAndRoots, What: Comfy, Way: CDN,
			Command: fetch("{python1}", "fetch_urllib.py", "{url}", file)},
		{Name: "comfy-aiohttp", Client: aiohttp, Mode: forward, Env: proxyAndRoots, What: Comfy, Respells: true, Way: CDN,
			Command: fetch("{python1}", "fetch_aiohttp.py", "{url}", file)},

		{Name: "reverse-manager", Client: manager, Mode: reverse, Way: CDN,
			Set:     []workerenv.Var{{Name: "HF_ENDPOINT", Value: "{key-base}/huggingface.co", Secret: true}},
			Command: tool("manager", "https://huggingface.co/{repo}/resolve/main/{file}", file),
			Notes:   "It sends no token, so the key is in the endpoint: a URL key."},
		{Name: "reverse-civitai-requests", Client: requests, Mode: reverse, What: Civitai, Way: CDN,
			Command: fetch("{python1}", "fetch_requests.py", "{key-url}", file)},
		{Name: "reverse-civitai-urllib", Client: "Python urllib", Mode: reverse, What: Civitai, Way: CDN,
			Command: fetch("{python1}", "fetch_urllib.py", "{key-url}", file, "", "ComfyUI/1.0")},
		{Name: "reverse-civitai-aiohttp", Client: aiohttp, Mode: reverse, What: Civitai, Way: CDN,
			Command: fetch("{python1}", "fetch_aiohttp.py", "{key-url}", file)},
	}
}

func otherRows() []Row {
	return []Row{
		{Name: "pip", Client: "pip 26.3", Mode: workerenv.Forward, Env: []string{"HTTPS_PROXY", "PIP_CERT"}, What: Package, Way: Blind,
			Command: []string{"{python}", "-m", "pip", "download", "--no-cache-dir", "--no-deps", "--index-url", "{url}", "-d", "{dir}", "weighbridge-sample"},
			Notes:   "No credential could match its hosts, so weighbridge sees nothing of it but their names."},
	}
}

// storeRows are of clients that verify by the operating system's store.
func storeRows() []Row {
	const forward = workerenv.Forward
	proxy := []string{"HTTPS_PROXY"}
	const file = "{dir}/{file}"
	return []Row{
		{Name: "store-hub-xet", Client: hub2Xet, Mode: forward, Env: proxy, Command: download("python"), Way: Xet,
			Notes: "By truststore; hf_xet by the platform's verifier."},
		{Name: "store-hub-no-xet", Client: hub2Xet, Mode: forward, Env: proxy, Set: noXet, Command: snapshot("python"), What: Whole, Way: CDN},
		{Name: "store-curl", Client: "curl", Mode: forward, Env: proxy, Way: CDN,
			Command: []string{"curl", "-fsSL", "-o", file, "{url}"}},
		{Name: "store-wget", Client: "wget", Mode: forward, Env: []string{"https_proxy"}, Way: CDN,
			Command: []string{"wget", "-nv", "-O", file, "{url}"}},
		{Name: "store-aria2c", Client: "aria2c", Mode: forward, Env: []string{"https_proxy"}, Way: CDN,
			Command: []string{"aria2c", "-q", "-d", "{dir}", "-o", "{file}", "{url}"}},
		{Name: "store-git-lfs", Client: "git with git-lfs", Mode: forward, Env: proxy, What: Whole, Way: CDN,
			Command: []string{"git", "clone", "--quiet", "{git-url}", "{dir}/clone"}},
		{Name: "store-urllib", Client: "Python urllib", Mode: forward, Env: proxy, Way: CDN,
			Command: fetch("{python}", "fetch_urllib.py", "{url}", file)},
		{Name: "store-aiohttp", Client: aiohttp, Mode: forward, Env: proxy, Respells: true, Way: CDN,
			Command: fetch("{python1}", "fetch_aiohttp.py", "{url}", file)},
		{Name: "store-pip", Client: "pip 26.3", Mode: forward, Env: proxy, What: Package, Way: Blind,
			Command: []string{"{python}", "-m", "pip", "download", "--no-cache-dir", "--no-deps", "--index-url", "{url}", "-d", "{dir}", "weighbridge-sample"}},
	}
}
