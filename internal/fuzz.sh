#!/usr/bin/env bash
# Runs every native fuzz target of the module for the given time (10s) or count
# (300x) each. A package is built once for all of its targets, as go test would
# link it anew for each. For a count of inputs it is the package as other tests
# build it: so few are too few to be led by what they cover, and to build all that
# it needs once more for that would take longer than to try them.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-10s}
root=$PWD
cover=(-fuzz .)
case $time in *x) cover=() ;; esac
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
count=0
last=
while IFS=: read -r dir _ name; do
  if [ "$dir" != "$last" ]; then
    last=$dir
    package=$(go list "./$dir")
    go test -c "${cover[@]}" -o "$built/test" "./$dir"
  fi
  echo "fuzz $dir $name ($time)"
  (cd "$dir" && "$built/test" -test.run '^$' -test.fuzz "^${name}\$" -test.fuzztime "$time" -test.fuzzminimizetime 1x -test.parallel 2 \
    -test.fuzzcachedir "$(go env GOCACHE)/fuzz/$package") || { echo "fuzz: $dir $name failed; what it failed on is in $root/$dir/testdata/fuzz/$name" >&2; exit 1; }
  count=$((count + 1))
done < <(grep -roHE --include='*_test.go' --exclude-dir=bench --exclude-dir=.cache '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's|^\./||; s|^(.*)/([^/]*):func |\1:\2:|' | sort)
echo "fuzz: $count passed, 0 failed"
