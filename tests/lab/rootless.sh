#!/bin/sh
# Runs a command as root of a user namespace of its own, so that labs have private networks without root:
#
#   tests/lab/rootless.sh cargo test -p weir-anycast
#
# Only one user exists there: what needs others (FRR, a Munin node, chown) or a device of the machine (wires with delay, unless
# /dev/net/tun is open to everybody) is skipped, and says so. Nothing outside is reached, so build first (cargo test --no-run).
set -e
[ $# -gt 0 ] || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }
exec unshare --user --map-root-user --net --mount -- sh -ec '
    mount -t tmpfs -o mode=755 tmpfs /run
    # ip(8) wants to write below /etc/netns: a copy of /etc lies over the real one, without what we may not read.
    copy=/run/etc
    mkdir "$copy" && cp -a /etc/. "$copy" 2>/dev/null || true
    mount --bind "$copy" /etc
    ip link set lo up
    exec "$@"' rootless "$@"
