#!/bin/sh
# Builds the Dockerfile's target `digits` with buildah and executes a compiled job in the image.
#
# tests/image.sh [FOLDER] as root, with buildah and debootstrap. FOLDER (default build/image) keeps images and layers. The
# base image is Debian 13 made by debootstrap, so no image registry is asked; it has Python 3.13 where the real one has
# 3.12, and both take the same lock. The host's certificates, proxies and index settings are given to the build.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-build/image}

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

[ "$(id -u)" -eq 0 ] || fail "Making a Debian 13 image needs root: run \`sudo make test-image\`."
for tool in buildah debootstrap git; do
  command -v "$tool" >/dev/null || fail "$tool is missing: install it (\`apt install buildah debootstrap git\`)."
done
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
export BUILDAH_ISOLATION=chroot

storage() {
  buildah --root "$folder/storage" --runroot "$folder/run" "$@"
}
trap 'storage rm --all >/dev/null' EXIT

if ! storage inspect --type image localhost/python >/dev/null 2>&1; then
  echo "Making a Debian 13 image (a minute or two) ..."
  container=$(storage from scratch)
  root=$(storage mount "$container")
  # As in the real base: Python, its headers and no compiler.
  debootstrap --variant=minbase --include=ca-certificates,python3,python3-dev,python3-venv trixie "$root" \
    >"$folder/debootstrap.log" 2>&1 || fail "debootstrap failed; see $folder/debootstrap.log."
  ln -s /usr/bin/python3 "$root/usr/local/bin/python"
  storage config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  storage commit --quiet "$container" localhost/python >/dev/null
fi

set --
for path in /etc/ssl /etc/pip.conf /etc/uv; do
  [ ! -e "$path" ] || set -- "$@" --volume "$path:$path:ro"
done
for name in PIP_CERT SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE PIP_INDEX_URL UV_DEFAULT_INDEX UV_INDEX_URL; do
  eval "[ -z \"\${$name-}\" ]" || set -- "$@" --env "$name"
done
revision=$(git describe --always --dirty)
storage build --layers --pull-never --target digits --build-arg PYTHON_IMAGE=localhost/python \
  --build-arg REVISION="$revision" --tag localhost/digits "$@" .

# The tests are no part of the image; they come beside it, without the packages they test.
set --
for path in tests benchmarks pyproject.toml Dockerfile; do
  set -- "$@" --volume "$PWD/$path:/tmp/checkout/$path:ro"
done
storage run --workingdir /tmp/checkout "$@" "$(storage from --pull-never localhost/digits)" -- sh -euc '
  python -c "from models.export.card import git_revision; print(git_revision())" | grep -Fx "$1"
  test ! -w /opt/digits
  python -c "import pipeline; assert pipeline.__file__.startswith(\"/opt/digits/\")"
  python -m pytest -p no:cacheprovider -m job tests/e2e/test_vertex_job.py
' sh "$revision"
