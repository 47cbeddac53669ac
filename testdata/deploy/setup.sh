#!/usr/bin/env bash
# Make the tests of this module ready: systemd-analyze, a Debian package, and
# the packages of Helm and Kubernetes, compiled once into Go's build cache,
# which takes a minute or two.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
go=${GO:-go}

if ! command -v systemd-analyze >/dev/null 2>&1; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		echo "deploy: systemd-analyze is missing. Install it and run this again (Debian: apt-get install systemd)." >&2
		exit 1
	fi
	echo "deploy: installing the Debian package systemd, for systemd-analyze" >&2
	apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemd >&2
fi
GOWORK=off "$go" test -c -o /dev/null .
