#!/bin/sh
# Run a command where the operating system's store holds the certificates of a
# directory and nothing else: os_store.sh DIRECTORY COMMAND...
#
# To be run by `unshare --mount`, so that only the command sees it: the store's
# places are covered, and the system's own program fills them.
set -eu
roots=$1
shift
work=$(mktemp -d)
mkdir "$work/certs" "$work/hooks"
: >"$work/conf"
mount --bind "$work/certs" /etc/ssl/certs
mount --bind "$roots" /usr/local/share/ca-certificates
PATH="$PATH:/usr/sbin" update-ca-certificates --certsconf "$work/conf" --hooksdir "$work/hooks" >/dev/null
exec "$@"
