#!/bin/sh
# Runs `make test` on a clean clone of HEAD in a Debian 13 root: glibc 2.41 and Python 3.13, so the newer stack.
#
# tests/trixie.sh [ROOT [MAKE_ARGUMENT...]]: ROOT (default build/trixie) is made with debootstrap once and kept, with
# the installer's cache; what follows is given to make instead of `test`. The host's name resolution, certificates,
# proxies and index settings are carried in. All mounts live in a mount namespace of their own and vanish with it.
set -eu
cd "$(dirname "$0")/.."

root=${1:-build/trixie}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- test

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

[ "$(id -u)" -eq 0 ] || fail "Making and entering a Debian 13 root needs root: run \`sudo make test-trixie\`."
for tool in debootstrap unshare git; do
  command -v "$tool" >/dev/null || fail "$tool is missing: install it (\`apt install debootstrap util-linux git\`)."
done

if [ ! -d "$root" ]; then
  echo "Making a Debian 13 root in $root (a minute or two) ..."
  mkdir -p "$(dirname "$root")"
  rm -rf "$root.part"
  # Debian's python3 comes without venv; pyfarmhash has no wheel for 3.13 and is compiled.
  debootstrap --variant=minbase --include=ca-certificates,g++,git,make,python3,python3-dev,python3-venv \
    trixie "$root.part" >"$root.log" 2>&1 || fail "debootstrap failed; see $root.log."
  mv "$root.part" "$root"
fi
root=$(cd "$root" && pwd)

git diff --quiet HEAD || echo "Uncommitted changes are not tested: the clone is of HEAD."
# A clean clone; the environment of the last one is kept, since installing brings it to exactly what the lock says.
rm -rf "$root/root/venv"
[ ! -d "$root/root/digits/.venv" ] || mv "$root/root/digits/.venv" "$root/root/venv"
rm -rf "$root/root/digits"
git clone --quiet --no-hardlinks . "$root/root/digits"
if [ -d "$root/root/venv" ]; then
  mv "$root/root/venv" "$root/root/digits/.venv"
  rm -f "$root/root/digits/.venv/installed"
fi

# shellcheck disable=SC2016  # expanded by the inner shell
unshare --mount --propagation private sh -euc '
  root=$1
  shift
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  for path in /etc/resolv.conf /etc/hosts /etc/ssl /etc/pip.conf /etc/uv \
    /usr/share/ca-certificates /usr/local/share/ca-certificates; do
    [ -e "$path" ] || continue
    if [ -d "$path" ]; then mkdir -p "$root$path"; else [ -e "$root$path" ] || : >"$root$path"; fi
    mount --bind "$path" "$root$path"
  done
  set -- make -C /root/digits "$@"
  for name in PIP_CERT SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE PIP_INDEX_URL UV_DEFAULT_INDEX UV_INDEX_URL \
    http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY OMP_NUM_THREADS; do
    eval "value=\${$name-}"
    [ -z "$value" ] || set -- "$name=$value" "$@"
  done
  exec chroot "$root" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    TERM="${TERM:-dumb}" PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt "$@"
' sh "$root" "$@"
