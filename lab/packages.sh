#!/bin/sh
# Installs the system packages that the lab needs, with apt-get, where they are missing; with `kind` as its argument,
# those of a kind cluster as well.
set -eu

packages=""
need() { # need PROGRAM PACKAGE
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 || packages="$packages $2"
}

has_ipvs() {
    [ -e /proc/net/ip_vs ] && return
    [ "$(id -u)" = 0 ] && PATH="$PATH:/usr/sbin:/sbin" modprobe -q ip_vs 2>/dev/null && [ -e /proc/net/ip_vs ]
}

need ipvsadm ipvsadm
need ip iproute2
need iptables-legacy-save iptables
need modprobe kmod
need openssl openssl
need unshare util-linux
need ps procps
has_ipvs || need linux.uml user-mode-linux
if [ "${1:-}" = kind ]; then
    need docker docker.io
    need dockerd docker.io
    need mmdebstrap mmdebstrap
    need systemctl systemd
fi
"${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || packages="$packages python3-venv"

[ -n "$packages" ] || exit 0
echo "installing$packages"
if ! command -v apt-get >/dev/null; then
    echo "no apt-get here: install what provides these Debian packages yourself:$packages" >&2
    exit 1
fi
root=""
[ "$(id -u)" = 0 ] || root="sudo"
# shellcheck disable=SC2086 - words on purpose
$root env DEBIAN_FRONTEND=noninteractive sh -c "apt-get -q update && apt-get -q install -y --no-install-recommends $packages"
