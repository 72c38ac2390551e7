#!/usr/bin/env bash
# Runs the verifier that imports nothing in wasmtime, from Python and from Rust, and in Node, over all golden logs, over logs
# that were changed at random and over archives that continue each other: each host gives the report of the library, to the byte.
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

main() {
    [ -f dist/python/secure_log_verifier/secure-log-verifier.wasm ] ||
        fail "dist/python is missing; run scripts/build-components.sh"
    local hosts="$tools/python/bin/python3 $root/tests/verifier/host.py $root/dist/python"
    npm_package && hosts+=$'\n'"node $root/tests/verifier/host.mjs $root/dist/npm"
    SECURE_LOG_VERIFIER_HOSTS=$hosts cargo test "${tested[@]}" --test all verify_hosts:: -- --nocapture
    in_rust
    [ -d dist/npm/component ] || { say "NOT RUN: Node, of which there is no $node_oldest or newer"; exit 77; }
}

# dist/npm: the component as jco translates it, and what is around it.
npm_package() {
    rm -rf dist/npm
    node_is_recent || return
    mkdir -p dist/npm
    cp components/verifier/npm/* dist/npm/
    tests/jco/node_modules/.bin/jco transpile dist/secure-log-verifier.wasm --out-dir dist/npm/component \
        --name secure-log-verifier --no-wasi-shim --quiet
    # The types are what they say they are.
    tests/jco/node_modules/.bin/tsc --strict --noEmit --target es2022 --lib esnext --module nodenext tests/verifier/types.ts
}

# The example of verify/, a host in Rust, says the same of all golden logs as the one in Python. With the feature of the harness,
# whose build it shares.
in_rust() {
    local logs=(vectors/secure-log/logs/*.jsonl) policy=$work/policy
    sed -n 's/.*"vkey": "\([^"]*\)".*/log \1/p' vectors/secure-log/log.json >"$policy"
    echo "quorum none" >>"$policy"
    (cd verify && CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/verify/target} \
        cargo run --release --locked --quiet --features pkcs11 --example verify_log -- \
        "$root/dist/secure-log-verifier.wasm" "$policy" "${logs[@]/#/$root/}") >"$work/rust"
    "$tools/python/bin/python3" - "$policy" "${logs[@]}" >"$work/python" <<'PYTHON'
import sys
sys.path.insert(0, "dist/python")
from secure_log_verifier import Verifier
verifier = Verifier()
for log in sys.argv[2:]:
    print(verifier.verify([open(log, "rb").read()], policy=open(sys.argv[1]).read()).json)
PYTHON
    cmp "$work/rust" "$work/python"
    say "a host in Rust says the same of ${#logs[@]} logs"
    chain_in_rust "$policy" "${logs[0]}" vectors/secure-log/logs/continued.jsonl
    endless_line "$policy" "${logs[0]}"
}

# chain_in_rust <policy> <file>..: the same of files in a row. Whether they continue each other the tests above judge.
chain_in_rust() {
    local policy=$1
    shift
    "${CARGO_TARGET_DIR:-$root/verify/target}/release/examples/verify_log" \
        dist/secure-log-verifier.wasm "$policy" --chain "$@" >"$work/rust"
    "$tools/python/bin/python3" - "$policy" "$@" >"$work/python" <<'PYTHON'
import sys
sys.path.insert(0, "dist/python")
from secure_log_verifier import verify_chain
print(verify_chain(sys.argv[2:], policy=open(sys.argv[1]).read()).json)
PYTHON
    cmp "$work/rust" "$work/python"
    say "a host in Rust says the same of a chain"
}

# However long a line is, the component and its host take little memory.
endless_line() {
    local gigabytes=1
    [ -z "${SECURE_LOG_SOAK-}" ] || gigabytes=10
    "$tools/python/bin/python3" tests/verifier/endless.py "$gigabytes" \
        "${CARGO_TARGET_DIR:-$root/verify/target}/release/examples/verify_log" dist/secure-log-verifier.wasm "$@"
}

main
