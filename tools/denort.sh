#!/usr/bin/env bash
# Makes a matching pair of Deno 2.6.10 and its compile base (denort) available, and prints
#   DENO=<path>
#   DENORT_BIN=<path>
# so that `deno compile` can be proven where the base cannot be downloaded (Linux x86-64). For tests only: a release
# compiles with the current Deno, which fetches its own base.
# Sources: PyPI `deno` 2.6.10 (the CLI), PyPI `bids-validator-deno` 2.4.1 (a program compiled with it, whose
# leading ELF image is the base). Result is kept in ${DENORT_CACHE:-$HOME/.cache/intentgate-denort}.
set -euo pipefail

fail() { echo "tools/denort.sh: $1" >&2; exit 1; }

cache="${DENORT_CACHE:-$HOME/.cache/intentgate-denort}"
mkdir -p "$cache"
# Two runs at once would both download 100 MB and replace each other's files.
exec 9>"$cache/lock"
command -v flock >/dev/null && flock 9

if [[ ! -x "$cache/deno" || ! -x "$cache/denort" ]]; then
  [[ "$(uname -sm)" == "Linux x86_64" ]] || fail "the pair exists for Linux x86-64 only, this is $(uname -sm)"
  command -v python3 >/dev/null || fail "python3 is missing: install python3 (Debian: apt-get install python3-venv)"
  work="$(mktemp -d)"; trap 'rm -rf "$work"' EXIT

  # pip comes in three ways: as a module of python3, as a command of its own, or inside a fresh virtual environment.
  if python3 -m pip --version >/dev/null 2>&1; then pip=(python3 -m pip)
  elif command -v pip3 >/dev/null; then pip=(pip3)
  elif command -v pip >/dev/null; then pip=(pip)
  elif python3 -m venv "$work/venv" >/dev/null 2>&1; then pip=("$work/venv/bin/python" -m pip)
  else fail "pip is missing: install it (Debian: apt-get install python3-pip, or python3-venv)"
  fi
  "${pip[@]}" download -q --disable-pip-version-check --no-deps -d "$work" deno==2.6.10 bids-validator-deno==2.4.1 >&2 ||
    fail "cannot download deno 2.6.10 and bids-validator-deno 2.4.1 with ${pip[*]}"

  python3 - "$work" "$cache" <<'PY'
import glob, os, struct, sys, zipfile
work, cache = sys.argv[1:]
def script(pattern, name):
    wheel = zipfile.ZipFile(glob.glob(os.path.join(work, pattern))[0])
    return wheel.read(next(n for n in wheel.namelist() if n.endswith("scripts/" + name)))
def put(name, data):
    path = os.path.join(cache, name)
    with open(path + ".new", "wb") as f: f.write(data)
    os.chmod(path + ".new", 0o755); os.replace(path + ".new", path)
image = script("bids_validator_deno-*.whl", "bids-validator-deno")
assert image[:5] == b"\x7fELF\x02", "not a 64-bit ELF"
offset, = struct.unpack_from("<Q", image, 0x28)          # start of section headers
size, count = struct.unpack_from("<HH", image, 0x3A)      # their size and number: they end the image
end = offset + size * count
assert image[end:end + 8] == b"d3n0l4nd", "payload is not where it was expected"
put("denort", image[:end])
put("deno", script("deno-*.whl", "deno"))
PY
fi
echo "DENO=$cache/deno"
echo "DENORT_BIN=$cache/denort"
