#!/usr/bin/env bash
# Runs every native fuzz target of the module for the given time (10s) or count
# (500x) each.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-10s}
count=0
while IFS=: read -r file name; do
  dir=./$(dirname "$file")
  echo "fuzz $dir $name ($time)"
  go test "$dir" -run '^$' -fuzz "^${name}\$" -fuzztime "$time" -fuzzminimizetime 1x -parallel 2
  count=$((count + 1))
done < <(grep -roHE --include='*_test.go' --exclude-dir=bench --exclude-dir=.cache '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's/:func /:/')
echo "fuzz: $count passed, 0 failed"
