#!/bin/sh
# Makes the environment: `requirements/install.sh [VENV]` (default .venv), called by `make`.
#
# Chooses the Python and with it the lock (docs/adr/0001-two-stacks.md), installs exactly what the lock says,
# compiles byte code, and installs the project itself editable. Running it again repairs or updates the environment.
# Where no supported Python is found, uv downloads one.
# PYTHON=/path/to/python overrides the choice.
set -eu
cd "$(dirname "$0")/.."

venv=${1:-.venv}
log=build/install.log
mkdir -p build
: >"$log"

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# Runs a command with its output in the log; shows the end of the log only if the command fails.
run() {
  if ! "$@" >>"$log" 2>&1; then
    tail -n 15 "$log" >&2
    fail "The installation failed; the lines above are the end of $log. Put it right and run the same command again."
  fi
}

# True where the libraries of the older stack load: Linux on x86-64 with glibc.
older_stack() {
  [ "$(uname -sm)" = "Linux x86_64" ] && getconf GNU_LIBC_VERSION >/dev/null 2>&1
}

# True where the libraries of the newer stack load: the same with glibc 2.39 or newer, and macOS on arm64.
newer_stack() {
  [ "$(uname -sm)" = "Darwin arm64" ] && return 0
  older_stack || return 1
  glibc=$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)
  minor=${glibc#*.}
  [ "${glibc%%.*}" -gt 2 ] || [ "${minor%%.*}" -ge 39 ]
}

# Prints MAJOR.MINOR of a CPython that runs and can make virtual environments; fails for anything else.
# A file that exists may still not work: pyenv's shims do not unless their version is selected.
version_of() {
  "$1" -c '
import ensurepip, platform, sys, venv
assert sys.implementation.name == "cpython" and sys.maxsize > 2**32
assert platform.machine() in ("x86_64", "arm64")
print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

# Prints the first working Python of version $1: on the path, under pyenv, or managed by uv.
find_python() {
  for candidate in \
    "$(command -v "python$1" || true)" \
    "$(command -v python3 || true)" \
    "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python3 \
    "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/uv/python}/cpython-$1".*/bin/python3; do
    if [ -x "$candidate" ] && [ "$(version_of "$candidate")" = "$1" ]; then
      say "$candidate"
      return 0
    fi
  done
  return 1
}

# Prints the path of a uv: the one on the path, or that of the lock in an environment of its own in build/uv.
find_uv() {
  command -v uv && return 0
  for candidate in python3 python; do
    if {
      "$candidate" -m venv build/uv && build/uv/bin/python -m pip install --disable-pip-version-check --no-deps \
        --require-hashes --requirement requirements/uv.txt
    } >>"$log" 2>&1; then
      say build/uv/bin/uv
      return 0
    fi
  done
  return 1
}

# Prints a Python of version $1 that uv downloads into its own folder, where find_python sees it from then on.
fetch_python() {
  say "No Python $1 was found; trying to download a standalone CPython $1 with uv (some 30 MB) ..." >&2
  uv=$(find_uv) && "$uv" python install --no-bin --no-progress "$1" >>"$log" 2>&1 && find_python "$1"
}

case $(uname -s) in
  MINGW* | MSYS* | CYGWIN* | Windows*)
    fail "TFX has no release for Windows: install WSL 2 (\`wsl --install\`), and run the same command in its Linux shell." ;;
esac
wanted=""
if newer_stack; then wanted="3.12 3.13 3.11 "; fi
if older_stack; then wanted="${wanted}3.10"; fi
[ -n "$wanted" ] || fail "TFX has no release for $(uname -sm) with this C library: use Linux on x86-64 with glibc, or macOS on arm64."
wanted=${wanted% }
first=${wanted%% *}
choice=$first
[ "$wanted" = "$first" ] || choice="$first (any of $wanted will do)"

python=${PYTHON:-}
if [ -z "$python" ]; then
  for version in $wanted; do
    if python=$(find_python "$version"); then break; fi
  done
  [ -n "$python" ] || python=$(fetch_python "$first") || python=""
fi
[ -n "$python" ] || fail "No usable Python was found, and uv could not download one (log: $log): this system needs Python $choice with its venv module; get it with \`uv python install $first\`, \`pyenv install $first\` or your package manager (python$first and python$first-venv), then run the same command again."

version=$(version_of "$python") || fail "$python does not run, or lacks the venv module; set PYTHON to a Python $first that works."
case " $wanted " in
  *" $version "*) ;;
  *) fail "$python is Python $version, but this system needs Python $first: unset PYTHON or set it to one." ;;
esac
if [ "$version" = 3.10 ]; then lock=requirements/py310.txt; else lock=requirements/py311plus.txt; fi

if [ "$(version_of "$venv/bin/python")" != "$version" ]; then
  say "Making $venv with Python $version ($python) ..."
  rm -rf "$venv"
  run "$python" -m venv "$venv"
fi
say "Installing $lock (about 3 GB on disk; a few minutes the first time; log: $log) ..."
run "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps --require-hashes --requirement requirements/uv.txt
run "$venv/bin/uv" pip sync --python "$venv/bin/python" --require-hashes --compile-bytecode \
  --build-constraints requirements/build.txt \
  "$lock" requirements/data.txt requirements/uv.txt
run "$venv/bin/uv" pip install --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
say "Ready: $venv/bin/digits"
