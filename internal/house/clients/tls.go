package clients

import "github.com/weighbridge/weighbridge/internal/workerenv"

// tlsRows are of a listener that speaks TLS with a certificate of our root.
func tlsRows() []Row {
	const forward, reverse = workerenv.Forward, workerenv.Reverse
	const file = "{dir}/{file}"
	node := []string{"HTTPS_PROXY", "NODE_EXTRA_CA_CERTS"}
	return []Row{
		{Name: "tls-hub-xet", Client: hub2Xet, Mode: forward, Env: proxyAndRoots, Command: download("python"), Way: Xet},
		{Name: "tls-hub-plain", Client: hub2, Mode: forward, Env: proxyAndRoots, Command: download("python-plain"), Way: CDN},
		{Name: "tls-hub1-xet", Client: hub1Xet, Mode: forward, Env: proxyAndRoots, Command: download("python1"), Way: Xet},
		{Name: "tls-hub0", Client: hub0, Mode: forward, Env: []string{"HTTPS_PROXY", "REQUESTS_CA_BUNDLE"}, Command: download("python0"), Way: CDN},
		{Name: "tls-hub0-hf-transfer", Client: hub0 + " with hf_transfer 0.1.9", Mode: forward, Env: []string{"HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"},
			Set: []workerenv.Var{{Name: "HF_HUB_ENABLE_HF_TRANSFER", Value: "1"}}, Command: download("python0"), Way: CDN},
		{Name: "tls-curl", Client: "curl", Mode: forward, Env: []string{"HTTPS_PROXY", "CURL_CA_BUNDLE"}, Way: CDN,
			Command: []string{"curl", "-fsSL", "--proxy-cacert", "{bundle}", "-o", file, "{url}"},
			Notes:   "`CURL_CA_BUNDLE` counts for the upstream only."},
		{Name: "tls-git-lfs", Client: "git with git-lfs", Mode: forward, Env: []string{"HTTPS_PROXY", "GIT_SSL_CAINFO", "GIT_PROXY_SSL_CAINFO"}, What: Whole, Way: CDN,
			Command: []string{"git", "clone", "--quiet", "{git-url}", "{dir}/clone"}},
		{Name: "tls-requests", Client: requests, Mode: forward, Env: []string{"HTTPS_PROXY", "REQUESTS_CA_BUNDLE"}, Way: CDN,
			Command: fetch("{python}", "fetch_requests.py", "{url}", file)},
		{Name: "tls-httpx", Client: httpx, Mode: forward, Env: proxyAndRoots, Way: CDN,
			Command: fetch("{python1}", "fetch_httpx.py", "{url}", file)},
		{Name: "tls-node-fetch", Client: undici, Mode: forward, Env: node, Way: CDN,
			Command: fetch("node", "fetch_node.cjs", "{url}", file)},
		{Name: "tls-node-hub", Client: hubJS, Mode: forward, Env: node, Way: Xet,
			Command: []string{"node", "{scripts}/hub_node.cjs", "{repo}", "{dir}", "{file}"}},
		{Name: "tls-pip", Client: "pip 26.3", Mode: forward, Env: []string{"HTTPS_PROXY", "PIP_CERT"}, What: Package, Way: Blind,
			Command: []string{"{python}", "-m", "pip", "download", "--no-cache-dir", "--no-deps", "--index-url", "{url}", "-d", "{dir}", "weighbridge-sample"}},

		{Name: "tls-reverse-hub", Client: hub2Xet, Mode: reverse, Env: append([]string{"SSL_CERT_FILE"}, endpoint...), Command: download("python"), Way: Xet},
		{Name: "tls-reverse-curl", Client: "curl", Mode: reverse, Env: []string{"CURL_CA_BUNDLE"}, Way: CDN,
			Command: []string{"curl", "-fsSL", "-o", file, "{key-url}"}},
		{Name: "tls-reverse-wget", Client: "wget", Mode: reverse, Way: CDN,
			Command: []string{"wget", "-nv", "--ca-certificate={bundle}", "-O", file, "{key-url}"}},
		{Name: "tls-reverse-aria2c", Client: "aria2c", Mode: reverse, Way: CDN,
			Command: []string{"aria2c", "-q", "--ca-certificate={bundle}", "-d", "{dir}", "-o", "{file}", "{key-url}"}},
		{Name: "tls-reverse-urllib", Client: "Python urllib", Mode: reverse, Env: []string{"SSL_CERT_FILE"}, Way: CDN,
			Command: fetch("{python}", "fetch_urllib.py", "{key-url}", file)},
		{Name: "tls-reverse-aiohttp", Client: aiohttp, Mode: reverse, Env: []string{"SSL_CERT_FILE"}, Way: CDN,
			Command: fetch("{python1}", "fetch_aiohttp.py", "{key-url}", file)},
		{Name: "tls-reverse-git-lfs", Client: "git with git-lfs", Mode: reverse, Env: []string{"GIT_SSL_CAINFO"}, What: Whole, Way: CDN,
			Command: []string{"git", "clone", "--quiet", "{key-base}/huggingface.co/{repo}", "{dir}/clone"}},
		{Name: "tls-reverse-node-fetch", Client: "Node fetch", Mode: reverse, Env: []string{"NODE_EXTRA_CA_CERTS"}, Way: CDN,
			Command: fetch("node", "fetch_node.cjs", "{key-url}", file)},
	}
}
