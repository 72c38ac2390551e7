#!/usr/bin/env bash
# Runs the suite of every store over each store component: the suite is a component, too, and is composed with them.
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

main() {
    cargo build --release --locked --target "$wasm_target" -p secure-log-store-memory -p secure-log-store-file \
        -p secure-log-store-sqlite -p secure-log-sqlite-component
    cargo build --release --locked --target "$wasm_target" -p secure-log-guest --example store-conformance
    check memory "$built/secure_log_store_memory.wasm"
    check file "$built/secure_log_store_file.wasm"
    wac plug "$built/secure_log_store_sqlite.wasm" --plug "$built/secure_log_sqlite_component.wasm" -o "$work/store.wasm"
    check sqlite "$work/store.wasm"
    check_integrity
    check sqlite "$work/store.wasm" :memory:
}
built=$target/$wasm_target/release

# check <store> <component> [config]: composes the suite with this store and runs it in a folder of its own.
check() {
    local name=$1 component=$2
    shift 2
    say "the suite over store-$name $*"
    wac plug "$built/examples/store-conformance.wasm" --plug "$component" -o "$work/suite.wasm"
    mkdir -p "$work/$name"
    wasmtime run --dir "$work/$name::." --env "SECURE_LOG_SEED=${SECURE_LOG_SEED:-$RANDOM}" \
        --env "SECURE_LOG_SOAK=${SECURE_LOG_SOAK:-}" "$work/suite.wasm" "$@"
}

# What the component wrote, somebody else's SQLite finds sound, and no lock was left behind.
check_integrity() {
    local database said checked=0
    for database in "$work"/sqlite/*.log; do
        said=$(sqlite3 "$database" 'PRAGMA integrity_check')
        [ "$said" = ok ] || fail "$database: $said"
        [ ! -e "$database.lock" ] || fail "$database.lock was left behind"
        checked=$((checked + 1))
    done
    [ "$checked" -gt 0 ] || fail "the suite wrote no database"
    say "sqlite3 finds $checked databases sound"
}

main
