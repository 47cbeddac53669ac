#!/usr/bin/env bash
# Installs the peers of the comparison that come as Debian packages: nginx,
# haproxy, squid (with TLS) and mitmproxy. Nothing else is installed, and none
# of them is started or enabled as a service by this: the comparison starts its
# own, on loopback, with its own configuration. What is there already is left
# as it is. Without this the comparison runs too, and says who is missing.
set -euo pipefail

say() { printf 'bench: %s\n' "$*" >&2; }

missing=()
for pair in nginx:nginx-light haproxy:haproxy squid:squid-openssl mitmdump:mitmproxy; do
	PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair##*:}")
done
if [ "${#missing[@]}" -eq 0 ]; then
	say "nginx, haproxy, squid and mitmproxy are there"
	exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	say "missing: ${missing[*]}. Install them and run this again (Debian: apt-get install ${missing[*]})."
	exit 1
fi

# Debian starts a service when its package is installed, unless policy-rc.d
# says no (invoke-rc.d(8)). One that is there already is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	say "for the time of the installation, $policy keeps services from being started"
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	trap 'rm -f "$policy"' EXIT
fi
say "installing Debian packages: ${missing[*]}"
apt-get update -qq >&2
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
say "done"
