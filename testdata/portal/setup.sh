#!/usr/bin/env bash
# Make ready what opens the portal's pages: Chromium of the system, and axe-core
# (package-lock.json beside this file, pinned). How, ../ready.sh says.
set -euo pipefail

suite=portal
# shellcheck source=../ready.sh
. "$(dirname "${BASH_SOURCE[0]}")/../ready.sh"

if ! command -v chromium >/dev/null 2>&1; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		fail "missing: chromium. Install it and run this again (Debian: apt-get install chromium)."
	fi
	say "installing the Debian package chromium"
	apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >&2
fi
need python3 node npm flock curl
begin "$here"/package.json "$here"/package-lock.json
node_packages
finish
