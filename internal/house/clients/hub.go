package clients

import "github.com/weighbridge/weighbridge/internal/workerenv"

const (
	hub2    = "huggingface_hub 2.4.0"
	hub2Xet = "huggingface_hub 2.4.0 with hf_xet 1.8.0"
	hub1    = "huggingface_hub 1.33.0"
	hub1Xet = "huggingface_hub 1.33.0 with hf_xet 1.8.0"
	hub0    = "huggingface_hub 0.36.2"
)

func download(python string) []string {
	return []string{"{" + python + "}", "{scripts}/hub_download.py", "{repo}", "{dir}", "{file}"}
}

func snapshot(python string, patterns ...string) []string {
	return append([]string{"{" + python + "}", "{scripts}/hub_snapshot.py", "{repo}", "{dir}"}, patterns...)
}

func revision(python string) []string {
	return []string{"{" + python + "}", "{scripts}/hub_download.py", "{repo}@refs/pr/1", "{dir}", "{file}"}
}

func hub2Rows() []Row {
	const forward, reverse = workerenv.Forward, workerenv.Reverse
	transformers := []string{"{python}", "{scripts}/load_transformers.py", "{repo}", "{dir}"}
	pipeline := snapshot("python", "model_index.json", "*/*.json", "unet/*.safetensors", "vae/*.safetensors")
	dataset := []string{"{python}", "{scripts}/load_dataset.py", "{repo}", "{dir}"}
	cli := []string{"{python}", "-m", "huggingface_hub.cli.hf", "download", "{repo}", "{file}", "--local-dir", "{dir}"}
	return []Row{
		{Name: "hub-xet", Client: hub2Xet, Mode: forward, Env: proxyAndRoots, Command: download("python"), Way: Xet,
			Notes: "`hf_hub_download`; also what diffusers and most nodes of ComfyUI call. hf_xet takes proxy and roots from the same variables. No token is needed; where a library refuses to start without one, take the placeholder that `weighbridge env` prints."},
		{Name: "hub-no-xet", Client: hub2Xet, Mode: forward, Env: proxyAndRoots, Set: noXet, Command: download("python"), Way: CDN,
			Notes: "`hf_hub_download` by the classic path: one stream for each file."},
		{Name: "hub-plain", Client: hub2, Mode: forward, Env: proxyAndRoots, Command: download("python-plain"), Way: CDN,
			Notes: "Without hf_xet installed."},
		{Name: "hub-snapshot-xet", Client: hub2Xet, Mode: forward, Env: proxyAndRoots, Command: snapshot("python"), What: Whole, Way: Xet,
			Notes: "`snapshot_download`."},
		{Name: "hub-snapshot-plain", Client: hub2, Mode: forward, Env: proxyAndRoots, Command: snapshot("python-plain"), What: Whole, Way: CDN,
			Notes: "`snapshot_download` without hf_xet installed."},
		{Name: "hub-org-xet", Client: hub2Xet, Mode: forward, Env: proxyAndRoots, Command: download("python"), Patterns: []string{orgPattern}, Way: Xet,
			Notes: "With a credential for one organisation only."},
		{Name: "hub-org-snapshot", Client: hub2Xet, Mode: forward, Env: proxyAndRoots, Set: noXet, Command: snapshot("python"), What: Whole, Patterns: []string{orgPattern}, Way: CDN,
			Notes: "With a credential for one organisation only."},
		{Name: "hub-placeholder", Client: hub2Xet, Mode: forward, Env: []string{"HTTPS_PROXY", "SSL_CERT_FILE", "HF_TOKEN"}, Command: download("python"), Way: Xet,
			Notes: "With the placeholder token, which weighbridge replaces."},
		{Name: "hub-revision", Client: hub2Xet, Mode: forward, Env: proxyAndRoots, Command: revision("python"), What: PullRequest, Way: Xet,
			Notes: "A revision with slashes, which stay escaped all the way."},
		{Name: "hub-cli", Client: "hf of " + hub2Xet, Mode: forward, Env: proxyAndRoots, Command: cli, Way: Xet,
			Notes: "`hf download`."},
		{Name: "transformers", Client: "transformers 5.23.0 on " + hub2Xet, Mode: forward, Env: proxyAndRoots, Command: transformers, What: Sharded, Way: Xet,
			Notes: "What `from_pretrained` loads: configuration, tokenizer, shards by their index."},
		{Name: "diffusers", Client: hub2Xet, Mode: forward, Env: proxyAndRoots, Command: pipeline, What: Pipeline, Way: Xet,
			Notes: "`snapshot_download` by patterns, as diffusers calls it for a pipeline."},
		{Name: "datasets", Client: "datasets 5.2.0 on " + hub2Xet, Mode: forward, Env: proxyAndRoots, Command: dataset, What: Dataset, Way: Xet,
			Notes: "`load_dataset`. It also asks the datasets viewer, which is another host and gets no token."},

		{Name: "reverse-hub", Client: hub2Xet, Mode: reverse, Env: endpoint, Command: download("python"), Way: Xet,
			Notes: "`hf_hub_download`; the API key in its `hf_` form, which is the form that other Hub clients insist on. xet comes through weighbridge too, so the worker needs no other way out."},
		{Name: "reverse-hub-no-xet", Client: hub2Xet, Mode: reverse, Env: endpoint, Set: noXet, Command: download("python"), Way: CDN,
			Notes: "`hf_hub_download` by the classic path: one stream for each file."},
		{Name: "reverse-hub-wbk", Client: hub2Xet, Mode: reverse, Env: []string{"HF_ENDPOINT"}, Set: []workerenv.Var{{Name: "HF_TOKEN", Value: "{key}", Secret: true}}, Command: download("python"), Way: Xet,
			Notes: "The API key as it was shown."},
		{Name: "reverse-hub-plain", Client: hub2, Mode: reverse, Env: endpoint, Command: download("python-plain"), Way: CDN,
			Notes: "Without hf_xet installed."},
		{Name: "reverse-hub-snapshot", Client: hub2Xet, Mode: reverse, Env: endpoint, Command: snapshot("python"), What: Whole, Way: Xet,
			Notes: "`snapshot_download`."},
		{Name: "reverse-hub-org", Client: hub2Xet, Mode: reverse, Env: endpoint, Command: snapshot("python"), What: Whole, Patterns: []string{orgPattern}, Way: Xet,
			Notes: "With a credential for one organisation only."},
		{Name: "reverse-hub-revision", Client: hub2Xet, Mode: reverse, Env: endpoint, Command: revision("python"), What: PullRequest, Way: Xet,
			Notes: "A revision with slashes."},
		{Name: "reverse-hub-cli", Client: "hf of " + hub2Xet, Mode: reverse, Env: endpoint, Command: cli, Way: Xet,
			Notes: "`hf download`."},
		{Name: "reverse-transformers", Client: "transformers 5.23.0 on " + hub2Xet, Mode: reverse, Env: endpoint, Command: transformers, What: Sharded, Way: Xet,
			Notes: "What `from_pretrained` loads."},
		{Name: "reverse-diffusers", Client: hub2Xet, Mode: reverse, Env: endpoint, Command: pipeline, What: Pipeline, Way: Xet,
			Notes: "`snapshot_download` by patterns, as diffusers calls it for a pipeline."},
		{Name: "reverse-datasets", Client: "datasets 5.2.0 on " + hub2Xet, Mode: reverse, Env: endpoint, Command: dataset, What: Dataset, Way: Xet,
			Notes: "`load_dataset`. It asks the datasets viewer directly, whatever HF_ENDPOINT says, and goes on where that cannot be reached."},
	}
}

func hub1Rows() []Row {
	const forward, reverse = workerenv.Forward, workerenv.Reverse
	requestsRoots := []string{"HTTPS_PROXY", "REQUESTS_CA_BUNDLE"}
	transfer := []workerenv.Var{{Name: "HF_HUB_ENABLE_HF_TRANSFER", Value: "1"}}
	return []Row{
		{Name: "hub1-xet", Client: hub1Xet, Mode: forward, Env: proxyAndRoots, Command: download("python1"), Way: Xet,
			Notes: "`hf_hub_download`."},
		{Name: "hub1-no-xet", Client: hub1Xet, Mode: forward, Env: proxyAndRoots, Set: noXet, Command: download("python1"), Way: CDN,
			Notes: "`hf_hub_download` by the classic path."},
		{Name: "hub1-plain", Client: hub1, Mode: forward, Env: proxyAndRoots, Command: download("python1-plain"), Way: CDN,
			Notes: "Without hf_xet installed."},
		{Name: "hub1-snapshot-xet", Client: hub1Xet, Mode: forward, Env: proxyAndRoots, Command: snapshot("python1"), What: Whole, Way: Xet,
			Notes: "`snapshot_download`."},
		{Name: "hub1-snapshot-plain", Client: hub1, Mode: forward, Env: proxyAndRoots, Command: snapshot("python1-plain"), What: Whole, Way: CDN,
			Notes: "`snapshot_download` without hf_xet installed."},
		{Name: "hub1-revision", Client: hub1, Mode: forward, Env: proxyAndRoots, Command: revision("python1-plain"), What: PullRequest, Way: CDN,
			Notes: "A revision with slashes."},
		{Name: "hub0", Client: hub0, Mode: forward, Env: requestsRoots, Command: download("python0"), Way: CDN,
			Notes: "Over requests, as transformers 4 uses it."},
		{Name: "hub0-hf-transfer", Client: hub0 + " with hf_transfer 0.1.9", Mode: forward, Env: []string{"HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}, Set: transfer, Command: download("python0"), Way: CDN,
			Notes: "hf_transfer takes its roots from SSL_CERT_FILE and fetches ranges in parallel. Later versions of huggingface_hub ignore it."},

		{Name: "reverse-hub1", Client: hub1Xet, Mode: reverse, Env: endpoint, Command: download("python1"), Way: Xet,
			Notes: "`hf_hub_download`."},
		{Name: "reverse-hub1-plain", Client: hub1, Mode: reverse, Env: endpoint, Command: download("python1-plain"), Way: CDN,
			Notes: "Without hf_xet installed."},
		{Name: "reverse-hub1-snapshot", Client: hub1Xet, Mode: reverse, Env: endpoint, Command: snapshot("python1"), What: Whole, Way: Xet,
			Notes: "`snapshot_download`."},
		{Name: "reverse-hub1-revision", Client: hub1, Mode: reverse, Env: endpoint, Command: revision("python1-plain"), What: PullRequest, Way: CDN,
			Notes: "A revision with slashes."},
		{Name: "reverse-hub0", Client: hub0, Mode: reverse, Env: endpoint, Command: download("python0"), Way: CDN,
			Notes: "Over requests."},
		{Name: "reverse-hub0-hf-transfer", Client: hub0 + " with hf_transfer 0.1.9", Mode: reverse, Env: endpoint, Set: transfer, Command: download("python0"), Way: CDN,
			Notes: "Ranges in parallel."},
	}
}
