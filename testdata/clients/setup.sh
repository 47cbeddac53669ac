#!/usr/bin/env bash
# Make ready what the real-client suite drives: git, git-lfs, curl, wget, and a
# Python venv with the pinned packages of requirements.txt beside this file.
#
# The venv stands in .cache/clients-<hash of requirements.txt and Python> inside
# the checkout (git-ignored) and is made once. Everything that is done is said
# on standard error; the last line on standard output is the venv's path.
# Whatever cannot be had is an error, never something to pass over.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

say() { printf 'clients: %s\n' "$*" >&2; }

missing=()
for pair in git:git git-lfs:git-lfs curl:curl wget:wget python3:python3; do
	command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair##*:}")
done
# Debian's python3 comes without ensurepip, which venv needs.
if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
	missing+=(python3-venv)
fi
if [ "${#missing[@]}" -gt 0 ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		say "missing: ${missing[*]}. Install them and run this again (Debian: apt-get install ${missing[*]})."
		exit 1
	fi
	say "installing Debian packages: ${missing[*]}"
	apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

python=$(python3 -c 'import sys; print("%s %s" % (sys.executable, sys.version))')
hash=$(printf '%s' "$python" | cat - "$here/requirements.txt" | sha256sum | cut -c1-16)
venv="$root/.cache/clients-$hash"
mkdir -p "$root/.cache"
if command -v flock >/dev/null 2>&1; then # two suites may start at once
	exec 9>"$root/.cache/clients.lock"
	flock 9
fi
if [ ! -e "$venv/ready" ]; then
	say "making the Python venv $venv"
	rm -rf "$venv"
	python3 -m venv "$venv"
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt" >&2
	"$venv/bin/python" -m pip check >&2
	"$venv/bin/python" -c 'import hf_xet, huggingface_hub, requests' >&2
	touch "$venv/ready"
fi
say "ready: $venv"
printf '%s\n' "$venv"
