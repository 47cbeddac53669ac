#!/usr/bin/env bash
# Make ready what the suite of real clouds runs: Azurite, which is Azure's own
# emulator, with Azure's clients for Node and Python and a certified OpenID
# provider (package-lock.json and azure.txt beside this file), an emulator of Cloud Storage with Google's client
# (google.txt), Debian's container registry, and a client of the ORAS project's
# library for it (go.mod), all pinned. How, ../ready.sh says.
set -euo pipefail

suite=clouds
# shellcheck source=../ready.sh
. "$(dirname "${BASH_SOURCE[0]}")/../ready.sh"

need python3 node npm flock curl "${GO:-go}"
begin "$here"/azure.txt "$here"/google.txt "$here"/go.mod "$here"/go.sum "$here"/oras/main.go "$here"/package.json "$here"/package-lock.json
# Debian's docker-registry, from the system or unpacked here.
if ! command -v docker-registry >/dev/null 2>&1; then
	command -v apt-get >/dev/null 2>&1 || fail "missing: docker-registry (Debian: apt-get install docker-registry)."
	(
		cd "$dir"
		apt-get download -qq docker-registry >&2 || { apt-get update -qq >&2 && apt-get download -qq docker-registry >&2; }
		dpkg -x docker-registry_*.deb registry
	) || fail "docker-registry cannot be had (Debian: apt-get install docker-registry)."
fi
node_packages
python_packages azure.storage.blob,google.cloud.storage,gcp_storage_emulator.server azure.txt google.txt
say "oras, with the library of go.mod"
(cd "$here" && CGO_ENABLED=0 GOWORK=off "${GO:-go}" build -trimpath -o "$dir/oras" ./oras)
finish
