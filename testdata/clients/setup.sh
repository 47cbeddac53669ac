#!/usr/bin/env bash
# Make ready what the real-client suite drives: git, git-lfs, curl, wget and
# aria2 of the system, and in a directory of their own Python environments
# (python0.txt, python1.txt, python2.txt, xet.txt, comfy.txt beside this file)
# and Node packages (package-lock.json), all pinned.
#
# It takes a minute, once; how, ../ready.sh says. In the directory:
#
#   python0  python1  python2       without hf_xet
#   python1-xet  python2-xet        the same packages and hf_xet
#   node_modules
set -euo pipefail

suite=clients
# shellcheck source=../ready.sh
. "$(dirname "${BASH_SOURCE[0]}")/../ready.sh"

missing=()
for pair in git:git git-lfs:git-lfs curl:curl wget:wget aria2c:aria2 python3:python3 node:nodejs npm:npm \
	unshare:util-linux flock:util-linux update-ca-certificates:ca-certificates; do
	PATH="$PATH:/usr/sbin" command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair##*:}")
done
# Debian's python3 comes without ensurepip, which venv needs.
if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
	missing+=(python3-venv)
fi
if [ "${#missing[@]}" -gt 0 ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		fail "missing: ${missing[*]}. Install them and run this again (Debian: apt-get install ${missing[*]})."
	fi
	say "installing Debian packages: ${missing[*]}"
	apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi
# numpy, which transformers and datasets bring along, and undici ask for these.
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or later is needed; this is $(python3 --version)."
node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
	fail "Node 20.19 or later is needed; this is $(node --version)."

begin "$here"/python[012].txt "$here"/xet.txt "$here"/comfy.txt "$here"/package.json "$here"/package-lock.json
python3 -m venv "$dir/python1"
for name in python0 python2 python1-xet python2-xet; do
	python3 -m venv --without-pip "$dir/$name"
done
# An environment "with hf_xet" sees the packages of the one without.
for name in python1 python2; do
	site=$("$dir/$name/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	printf '%s\n' "$site" >"$("$dir/$name-xet/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth"
done

# install ENVIRONMENT FILE: bytecode is made of what is imported, when it is.
install() {
	say "Python packages of ${2##*/} for $1"
	"$dir/python1/bin/python" -m pip --python "$dir/$1/bin/python" install \
		--quiet --disable-pip-version-check --no-compile --no-deps -r "$2" >&2
}
jobs=()
install python2 "$here/python2.txt" &
jobs+=($!)
(
	install python1 "$here/python1.txt"
	install python1 "$here/comfy.txt"
	install python0 "$here/python0.txt"
	install python1-xet "$here/xet.txt"
	install python2-xet "$here/xet.txt"
	node_packages
) &
jobs+=($!)
for job in "${jobs[@]}"; do
	wait "$job" || fail "what is missing could not be installed; the lines above say why."
done
"$dir/python1/bin/python" -m pip --python "$dir/python2-xet/bin/python" check >&2
"$dir/python2-xet/bin/python" -c 'import hf_xet, huggingface_hub, requests, datasets, tokenizers' >&2
"$dir/python1-xet/bin/python" -c 'import hf_xet, huggingface_hub, httpx, aiohttp, comfy_cli' >&2
"$dir/python0/bin/python" -c 'import hf_transfer, huggingface_hub' >&2
NODE_PATH="$dir/node_modules" node -e 'require("undici"); require("@huggingface/hub")' >&2

finish
