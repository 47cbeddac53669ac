#!/usr/bin/env bash
# Make ready what the suite of real clouds runs: Azurite, which is Azure's own
# emulator, with Azure's clients for Node and Python (package-lock.json and
# azure.txt beside this file, all pinned), and Debian's container registry.
#
# The directory is .cache/clouds-<hash of those files, Python and Node> inside
# the checkout (git-ignored); it is made once. Everything that is done is said
# on standard error; the last line on standard output is the directory's path.
# Whatever cannot be had is an error, never something to pass over.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

say() { printf 'clouds: %s\n' "$*" >&2; }
fail() {
	say "$*"
	exit 1
}

for tool in python3 node npm flock curl; do
	command -v "$tool" >/dev/null 2>&1 || fail "missing: $tool. testdata/clients/setup.sh installs it."
done

pins=("$here"/azure.txt "$here"/package.json "$here"/package-lock.json "${BASH_SOURCE[0]}")
versions=$(python3 -c 'import sys; print("%s %s" % (sys.executable, sys.version))'; node --version)
hash=$(printf '%s' "$versions" | cat - "${pins[@]}" | sha256sum | cut -c1-16)
dir="$root/.cache/clouds-$hash"
mkdir -p "$root/.cache"
exec 9>"$root/.cache/clouds.lock" # two suites may start at once
flock 9
if [ -e "$dir/ready" ]; then
	say "ready: $dir"
	printf '%s\n' "$dir"
	exit 0
fi

say "installing into $dir"
rm -rf "$dir"
mkdir -p "$dir"
# Debian's docker-registry, from the system or unpacked here.
if ! command -v docker-registry >/dev/null 2>&1; then
	command -v apt-get >/dev/null 2>&1 || fail "missing: docker-registry (Debian: apt-get install docker-registry)."
	(
		cd "$dir"
		apt-get download -qq docker-registry >&2 || { apt-get update -qq >&2 && apt-get download -qq docker-registry >&2; }
		dpkg -x docker-registry_*.deb registry
	) || fail "docker-registry cannot be had (Debian: apt-get install docker-registry)."
fi
cp "$here/package.json" "$here/package-lock.json" "$dir"
say "Node packages of package-lock.json"
npm ci --prefix "$dir" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
say "Python packages of azure.txt"
python3 -m venv "$dir/python"
"$dir/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps -r "$here/azure.txt" >&2
"$dir/python/bin/python" -c 'import azure.storage.blob' >&2

# What other pins left behind.
find "$root/.cache" -maxdepth 1 -name 'clouds-*' ! -path "$dir" -exec rm -rf {} +
touch "$dir/ready"
say "ready: $dir"
printf '%s\n' "$dir"
