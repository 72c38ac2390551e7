#!/usr/bin/env bash
# Runs the suite of every store over each store component: the suite is a component, too, and is composed with them.
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

main() {
    cargo build --release --locked --target "$wasm_target" -p secure-log-store-memory -p secure-log-store-file
    cargo build --release --locked --target "$wasm_target" -p secure-log-guest --example store-conformance
    check memory
    check file
}

# check <store>: composes the suite with this store and runs it in a folder of its own.
check() {
    local built=$target/$wasm_target/release
    say "the suite over store-$1"
    wac plug "$built/examples/store-conformance.wasm" --plug "$built/secure_log_store_$1.wasm" -o "$work/$1.wasm"
    mkdir "$work/$1"
    wasmtime run --dir "$work/$1::." --env "SECURE_LOG_SEED=${SECURE_LOG_SEED:-$RANDOM}" \
        --env "SECURE_LOG_SOAK=${SECURE_LOG_SOAK:-}" "$work/$1.wasm"
}

main
