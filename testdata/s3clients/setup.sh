#!/usr/bin/env bash
# Make ready the S3 clients that the tests point at weighbridge: boto3, the AWS
# CLI (python.txt) and @aws-sdk/client-s3 (package-lock.json), all pinned.
#
# The directory is .cache/s3clients-<hash of those files, Python and Node>
# inside the checkout (git-ignored); it is made once. Everything that is done
# is said on standard error; the last line on standard output is the
# directory's path. Whatever cannot be had is an error, never something to pass
# over.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

say() { printf 's3clients: %s\n' "$*" >&2; }
fail() {
	say "$*"
	exit 1
}

for tool in python3 node npm flock curl; do
	command -v "$tool" >/dev/null 2>&1 || fail "missing: $tool. testdata/clients/setup.sh installs it."
done

pins=("$here"/python.txt "$here"/package.json "$here"/package-lock.json "${BASH_SOURCE[0]}")
versions=$(python3 -c 'import sys; print("%s %s" % (sys.executable, sys.version))'; node --version)
hash=$(printf '%s' "$versions" | cat - "${pins[@]}" | sha256sum | cut -c1-16)
dir="$root/.cache/s3clients-$hash"
mkdir -p "$root/.cache"
exec 9>"$root/.cache/s3clients.lock" # two suites may start at once
flock 9
if [ -e "$dir/ready" ]; then
	say "ready: $dir"
	printf '%s\n' "$dir"
	exit 0
fi

say "installing into $dir"
rm -rf "$dir"
mkdir -p "$dir"
cp "$here/package.json" "$here/package-lock.json" "$dir"
say "Node packages of package-lock.json"
npm ci --prefix "$dir" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
say "Python packages of python.txt"
python3 -m venv "$dir/python"
"$dir/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps -r "$here/python.txt" >&2
"$dir/python/bin/python" -c 'import boto3, awscli' >&2
NODE_PATH="$dir/node_modules" node -e 'require("@aws-sdk/client-s3")'

# What other pins left behind.
find "$root/.cache" -maxdepth 1 -name 's3clients-*' ! -path "$dir" -exec rm -rf {} +
touch "$dir/ready"
say "ready: $dir"
printf '%s\n' "$dir"
