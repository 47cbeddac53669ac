#!/usr/bin/env bash
# Make ready what drives the admin API from its own document: schemathesis
# (python.txt beside this file, all pinned). How, ../ready.sh says.
set -euo pipefail

suite=api
# shellcheck source=../ready.sh
. "$(dirname "${BASH_SOURCE[0]}")/../ready.sh"

need python3 node flock
begin "$here"/python.txt
python_packages schemathesis python.txt
finish
