#!/usr/bin/env bash
# Runs the suite of every anchor over the component of the file anchor, each check in a folder and an instance of its own.
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
built=$target/$wasm_target/release

main() {
    cargo build --release --locked --target "$wasm_target" -p secure-log-anchor-file
    cargo build --release --locked --target "$wasm_target" -p secure-log-guest --example anchor-conformance
    local checks number
    wac plug "$built/examples/anchor-conformance.wasm" --plug "$built/secure_log_anchor_file.wasm" -o "$work/suite.wasm"
    wasmtime compile "$work/suite.wasm" -o "$work/suite.cwasm"
    checks=$(wasmtime run --allow-precompiled "$work/suite.cwasm")
    for ((number = 0; number < checks; number++)); do
        mkdir "$work/anchor-$number"
        suite "anchor-$number" "$number"
        [ ! -e "$work/anchor-$number/heads.lock" ] || fail "check $number left a lock behind"
    done
    say "$checks checks passed"
}

# suite <folder> <check>
suite() {
    wasmtime run --allow-precompiled --dir "$work/$1::/anchor" --env SECURE_LOG_ANCHOR=/anchor/heads "$work/suite.cwasm" "$2"
}

main
