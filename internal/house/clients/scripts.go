package clients

import "github.com/weighbridge/weighbridge/internal/workerenv"

const (
	requests = "Python requests 2.34.2"
	httpx    = "Python httpx 0.28.1"
	aiohttp  = "Python aiohttp 3.14.5"
	undici   = "Node fetch with undici 7.30.2"
	hubJS    = "@huggingface/hub 2.17.5"
)

// fetch runs a script that takes a URL, a file, and perhaps a token.
func fetch(interpreter, script string, args ...string) []string {
	return append([]string{interpreter, "{scripts}/" + script}, args...)
}

func scriptRows() []Row {
	const forward, reverse = workerenv.Forward, workerenv.Reverse
	requestsRoots := []string{"HTTPS_PROXY", "REQUESTS_CA_BUNDLE"}
	node := []string{"HTTPS_PROXY", "NODE_EXTRA_CA_CERTS"}
	nodeHub := []string{"node", "{scripts}/hub_node.cjs", "{repo}", "{dir}", "{file}"}
	const file, placeholder = "{dir}/{file}", "{placeholder}"
	return []Row{
		{Name: "requests", Client: requests, Mode: forward, Env: requestsRoots, Way: CDN,
			Command: fetch("{python}", "fetch_requests.py", "{url}", file)},
		{Name: "requests-placeholder", Client: requests, Mode: forward, Env: requestsRoots, Way: CDN,
			Command: fetch("{python}", "fetch_requests.py", "{url}", file, placeholder),
			Notes:   "With a token in the request's headers: it is replaced."},
		{Name: "urllib", Client: "Python urllib", Mode: forward, Env: proxyAndRoots, Way: CDN,
			Command: fetch("{python}", "fetch_urllib.py", "{url}", file),
			Notes:   "Also what torch.hub and torchvision use."},
		{Name: "urllib-placeholder", Client: "Python urllib", Mode: forward, Env: proxyAndRoots, Way: CDN,
			Command: fetch("{python}", "fetch_urllib.py", "{url}", file, placeholder),
			Notes:   "urllib repeats Authorization on the CDN, which would answer 400: weighbridge takes it off there."},
		{Name: "httpx", Client: httpx, Mode: forward, Env: proxyAndRoots, Way: CDN,
			Command: fetch("{python1}", "fetch_httpx.py", "{url}", file)},
		{Name: "httpx-placeholder", Client: httpx, Mode: forward, Env: proxyAndRoots, Way: CDN,
			Command: fetch("{python1}", "fetch_httpx.py", "{url}", file, placeholder),
			Notes:   "With a token in the request's headers: it is replaced."},
		{Name: "aiohttp", Client: aiohttp, Mode: forward, Env: proxyAndRoots, Respells: true, Way: CDN,
			Command: fetch("{python1}", "fetch_aiohttp.py", "{url}", file),
			Notes:   "Only a session with `trust_env=True` reads the proxy's variable."},
		{Name: "aiohttp-placeholder", Client: aiohttp, Mode: forward, Env: proxyAndRoots, Respells: true, Way: CDN,
			Command: fetch("{python1}", "fetch_aiohttp.py", "{url}", file, placeholder),
			Notes:   "With a token in the request's headers: it is replaced."},
		{Name: "node-fetch", Client: undici, Mode: forward, Env: node, Way: CDN,
			Command: fetch("node", "fetch_node.cjs", "{url}", file),
			Notes:   "Node's fetch reads no proxy variable by itself before Node 24 with `NODE_USE_ENV_PROXY=1`; undici's `EnvHttpProxyAgent` does."},
		{Name: "node-fetch-placeholder", Client: undici, Mode: forward, Env: node, Way: CDN,
			Command: fetch("node", "fetch_node.cjs", "{url}", file, placeholder),
			Notes:   "With a token in the request's headers: it is replaced."},
		{Name: "node-hub-xet", Client: hubJS, Mode: forward, Env: node, Command: nodeHub, Way: Xet,
			Notes: "With a `fetch` that goes through undici's agent. It speaks xet by itself."},
		{Name: "node-hub-no-xet", Client: hubJS, Mode: forward, Env: node, Set: noXet, Command: nodeHub, Way: CDN,
			Notes: "With `xet: false`."},

		{Name: "reverse-requests-url-key", Client: requests, Mode: reverse, Way: CDN,
			Command: fetch("{python}", "fetch_requests.py", "{key-url}", file)},
		{Name: "reverse-requests", Client: requests, Mode: reverse, Way: CDN,
			Command: fetch("{python}", "fetch_requests.py", "{url}", file, "{key}"),
			Notes:   "The API key as the bearer token."},
		{Name: "reverse-urllib-url-key", Client: "Python urllib", Mode: reverse, Way: CDN,
			Command: fetch("{python}", "fetch_urllib.py", "{key-url}", file)},
		{Name: "reverse-urllib", Client: "Python urllib", Mode: reverse, Way: CDN,
			Command: fetch("{python}", "fetch_urllib.py", "{url}", file, "{key}"),
			Notes:   "The API key as the bearer token."},
		{Name: "reverse-httpx", Client: httpx, Mode: reverse, Way: CDN,
			Command: fetch("{python1}", "fetch_httpx.py", "{url}", file, "{key}"),
			Notes:   "The API key as the bearer token."},
		{Name: "reverse-aiohttp", Client: aiohttp, Mode: reverse, Way: CDN,
			Command: fetch("{python1}", "fetch_aiohttp.py", "{url}", file, "{key}"),
			Notes:   "The API key as the bearer token."},
		{Name: "reverse-node-fetch", Client: "Node fetch", Mode: reverse, Way: CDN,
			Command: fetch("node", "fetch_node.cjs", "{url}", file, "{key}"),
			Notes:   "The API key as the bearer token; Node's own fetch does."},
		{Name: "reverse-node-hub-xet", Client: hubJS, Mode: reverse, Env: endpoint, Command: nodeHub, Way: Xet,
			Notes: "`hubUrl` and `accessToken` from these variables, which it does not read by itself."},
		{Name: "reverse-node-hub-no-xet", Client: hubJS, Mode: reverse, Env: endpoint, Set: noXet, Command: nodeHub, Way: CDN,
			Notes: "With `xet: false`."},
	}
}
