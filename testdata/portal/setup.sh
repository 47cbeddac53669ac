#!/usr/bin/env bash
# Make ready what opens the portal's pages: Chromium of the system, and axe-core
# (package-lock.json beside this file, pinned). How, ../ready.sh says.
set -euo pipefail

suite=portal
# shellcheck source=../ready.sh
. "$(dirname "${BASH_SOURCE[0]}")/../ready.sh"

# The headless shell is Debian's second build of the same Chromium, without what
# draws windows: a third less work for the machine. Where it cannot be had,
# chromium itself does.
if ! command -v chromium-headless-shell >/dev/null 2>&1; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		say "installing the Debian package chromium-headless-shell"
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell; } >&2 ||
			command -v chromium >/dev/null 2>&1 || fail "chromium-headless-shell cannot be installed, and there is no chromium."
	elif ! command -v chromium >/dev/null 2>&1; then
		fail "missing: chromium-headless-shell, or chromium. Install it and run this again (Debian: apt-get install chromium-headless-shell)."
	fi
fi
need python3 node npm flock curl
begin "$here"/package.json "$here"/package-lock.json
node_packages
finish
