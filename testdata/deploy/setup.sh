#!/usr/bin/env bash
# Make the tests of this module ready: systemd-analyze, a Debian package, and
# the packages of Helm and Kubernetes, compiled once into Go's build cache,
# which takes a minute or two.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
go=${GO:-go}

missing=()
# ip and setpriv are for the pod in a namespace (internal/house/realclients).
for pair in systemd-analyze:systemd ip:iproute2 setpriv:util-linux; do
	PATH="$PATH:/usr/sbin" command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair##*:}")
done
if [ "${#missing[@]}" -gt 0 ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		echo "deploy: missing: ${missing[*]}. Install them and run this again (Debian: apt-get install ${missing[*]})." >&2
		exit 1
	fi
	echo "deploy: installing Debian packages: ${missing[*]}" >&2
	apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi
# promtool alone, of the Debian package that has it: the package itself would
# start a server. The tests of the alerts run it.
tools=$(cd ../.. && pwd)/.cache/promtool
if [ ! -x "$tools/promtool" ]; then
	command -v apt-get >/dev/null 2>&1 || { echo "deploy: missing: promtool, at $tools/promtool" >&2; exit 1; }
	mkdir -p "$tools"
	unpacked=$(mktemp -d)
	trap 'rm -rf "$unpacked"' EXIT
	chmod 755 "$unpacked" # apt downloads as a user of its own
	(cd "$unpacked" && { apt-get download -qq prometheus >&2 2>/dev/null || { apt-get update -qq >&2 && apt-get download -qq prometheus >&2; }; })
	dpkg-deb --fsys-tarfile "$unpacked"/prometheus_*.deb | tar -x -C "$unpacked" ./usr/bin/promtool
	mv "$unpacked/usr/bin/promtool" "$tools/promtool"
fi
GOWORK=off "$go" test -c -o /dev/null .
