#!/usr/bin/env bash
# Make ready what the suite of real databases runs: Debian's PostgreSQL, the
# newest that is there. The programs are linked into the directory; every test
# makes clusters of its own. How, ../ready.sh says.
set -euo pipefail

suite=postgres
# shellcheck source=../ready.sh
. "$(dirname "${BASH_SOURCE[0]}")/../ready.sh"

newest() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1; }

bin=$(newest)
if [ ! -x "$bin/postgres" ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		fail "missing: postgresql. Install it and run this again (Debian: apt-get install postgresql)."
	fi
	say "installing postgresql"
	# Without a cluster that would run beside those of the tests.
	mkdir -p /etc/postgresql-common
	[ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
	apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >&2
	bin=$(newest)
fi

begin <("$bin/postgres" --version)
for program in postgres initdb pg_basebackup pg_dump; do
	ln -s "$bin/$program" "$dir/$program"
done
finish
