#!/usr/bin/env bash
# Build the S3 servers that the tests run weighbridge in front of, versitygw and
# fakes3 beside this file, and gosdk, a client made with the AWS SDK for Go v2,
# as go.mod pins them.
#
# They lie in .cache/s3-<hash of these files and Go> inside the checkout
# (git-ignored); they are built once, which takes a minute or two. The last
# line on standard output is that directory's path.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
go=${GO:-go}

hash=$(cd "$here" && { "$go" version; cat go.mod go.sum fakes3/*.go gosdk/*.go setup.sh; } | sha256sum | cut -c1-16)
dir="$root/.cache/s3-$hash"
mkdir -p "$root/.cache"
exec 9>"$root/.cache/s3.lock" # two suites may start at once
flock 9
if [ ! -e "$dir/ready" ]; then
	echo "s3: building versitygw, gofakes3 and gosdk into $dir" >&2
	mkdir -p "$dir"
	cd "$here"
	CGO_ENABLED=0 GOWORK=off "$go" build -trimpath -ldflags='-s -w' -o "$dir/" ./fakes3 ./gosdk github.com/versity/versitygw/cmd/versitygw
	touch "$dir/ready"
fi
printf '%s\n' "$dir"
