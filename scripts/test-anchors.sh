#!/usr/bin/env bash
# Runs the suite of every anchor over the component of the file anchor, each check in a folder and an instance of its own, and
# the command over a log whose anchor writes lines.
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
built=$target/$wasm_target/release

main() {
    for_wasm
    test_components
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
    check_lines
}

# The heads that the command publishes stand on standard error, a line each, and nothing else of the anchor does.
check_lines() {
    wac plug "$built/secure_log_component.wasm" --plug "$built/secure_log_anchor_log.wasm" \
        --plug "$built/secure_log_store_file.wasm" --plug "$built/secure_log_keystore_software.wasm" -o "$work/log.wasm"
    wac plug "$built/secure_log_command.wasm" --plug "$work/log.wasm" --plug "$built/secure_log_keystore_software.wasm" \
        -o "$work/command.wasm"
    mkdir "$work/lines"
    local said sizes
    for said in one two; do
        wasmtime run --dir "$work/lines::." --env SECURE_LOG_KEYSTORE_SEED="$(printf '07%.0s' {1..32})" --env SECURE_LOG_ORIGIN=lines.example \
            --env SECURE_LOG=audit.jsonl "$work/command.wasm" append access login "$said" 2>>"$work/heads" | tee "$work/answer"
        grep -q '^anchored: yes$' "$work/answer" || fail "the head's line was written, and the answer is not anchored"
    done
    sizes=$(sed -n 's/^{"t":"head","origin":"lines.example","size":\([0-9]*\),"root":"[0-9a-f]\{64\}","sigs":\["lines.example [^"]*"\]}$/\1/p' "$work/heads" | xargs)
    # Each opening publishes what it finds: the new log, its first entry, that entry again, the second.
    [ "$sizes" = "0 1 1 2" ] || fail "the lines are of heads of the sizes $sizes: $(cat "$work/heads")"
    [ "$(wc -l <"$work/heads")" = 4 ] || fail "something else stands on standard error: $(cat "$work/heads")"
    say "4 heads stand on standard error, a line each"
}

# suite <folder> <check>
suite() {
    wasmtime run --allow-precompiled --dir "$work/$1::/anchor" --env SECURE_LOG_ANCHOR=/anchor/heads "$work/suite.cwasm" "$2"
}

main
