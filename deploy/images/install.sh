#!/bin/sh
# Installs the Debian packages that a file lists, one a line, unless the base image has them all.
set -eu

missing=""
while read -r package; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
        missing="$missing $package"
done <"$1"
[ -n "$missing" ] || exit 0
cp "$(dirname "$0")/left-out" /etc/dpkg/dpkg.cfg.d/
apt-get -q update
# shellcheck disable=SC2086 - words on purpose
DEBIAN_FRONTEND=noninteractive apt-get -q install --yes --no-install-recommends $missing
rm -rf /var/lib/apt/lists/* /var/cache/apt/*
