#!/usr/bin/env bash
# Mounts the attack table on composed stacks (tests/attacks): composes those in which a test stands between the log and
# its store, and runs the checks over them and over the file, the SQLite and the PostgreSQL stack as they are released.
# The server is one of its own; where PostgreSQL is not installed, the checks over it say that they were NOT RUN.
#
#   test-attacks.sh [WORD]..     only the checks whose name contains one of the words
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
built=$target/$wasm_target/release

main() {
    for_wasm
    test_components
    wac plug "$built/secure_log_store_sqlite.wasm" --plug "$built/secure_log_sqlite_component.wasm" -o "$work/store.wasm"
    compose memory "$built/secure_log_store_memory.wasm"
    compose file "$built/secure_log_store_file.wasm"
    compose sqlite "$work/store.wasm"
    compose postgres "$built/secure_log_store_postgres.wasm"
    for stack in file sqlite postgres; do
        [ -f "dist/secure-log-$stack.wasm" ] ||
            fail "dist/secure-log-$stack.wasm is missing; run scripts/build-components.sh"
    done
    # Shared with the harness, so that wasmtime is compiled once.
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/verify/target}
    (cd tests/attacks && cargo run --release --locked --quiet -- \
        "$root/dist/secure-log-file.wasm" "$root/dist/secure-log-sqlite.wasm" "$root/dist/secure-log-postgres.wasm" \
        "$work/memory.wasm" "$work/file.wasm" "$work/sqlite.wasm" "$work/postgres.wasm" "$@")
}

# compose <name> <store>: the stack with this store in the hand of a test.
compose() {
    wac compose tests/attacks/hostile.wac -o "$work/$1.wasm" \
        -d "secure-log:core=$built/secure_log_component.wasm" \
        -d "secure-log:hostile=$built/examples/store_hostile.wasm" \
        -d "secure-log:store=$2" \
        -d "secure-log:keystore=$built/secure_log_keystore_software.wasm" \
        -d "secure-log:anchor=$built/secure_log_anchor_file.wasm"
}

main "$@"
