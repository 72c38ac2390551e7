#!/usr/bin/env bash
# Runs the suite of every store over each store component: the suite is a component, too, and is composed with them.
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
. "$(dirname "$0")/serve.sh"
. "$(dirname "$0")/postgres.sh"
trap 'stop -9; stop_postgres; rm -rf "$work"' EXIT

main() {
    for_wasm
    test_components
    check memory "$built/secure_log_store_memory.wasm"
    check file "$built/secure_log_store_file.wasm"
    wac plug "$built/secure_log_store_sqlite.wasm" --plug "$built/secure_log_sqlite_component.wasm" -o "$work/store.wasm"
    check sqlite "$work/store.wasm"
    check_integrity
    check sqlite "$work/store.wasm" :memory:
    check_postgres
    check_through_the_wire
    check_through_the_wire --max-instance-reuse-count 1000
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

# check_through_the_wire [option of wasmtime serve]..: the suite over the remote store, composed with its transport, against the
# server of dist/. A server has one log: each check gets one of its own.
check_through_the_wire() {
    local name names checked=0 began=$SECONDS
    say "the suite over store-remote: wasmtime serve $*"
    wac plug "$built/secure_log_store_remote.wasm" --plug "$built/secure_log_transport_http.wasm" -o "$work/store.wasm"
    wac plug "$built/examples/store-conformance.wasm" --plug "$work/store.wasm" -o "$work/suite.wasm"
    wasmtime compile "$work/suite.wasm" -o "$work/suite.cwasm"
    compile_server
    local suite=(wasmtime run --allow-precompiled -S http --env SECURE_LOG_RPC_URL --env SECURE_LOG_RPC_TOKEN
        --env "SECURE_LOG_SEED=${SECURE_LOG_SEED:-$RANDOM}" --env "SECURE_LOG_SOAK=${SECURE_LOG_SOAK:-}" "$work/suite.cwasm")
    names=$("${suite[@]}" names)
    for name in $names; do
        fresh
        serve 127.0.0.1:0 "$@"
        "${suite[@]}" remote "$name" >"$work/said" 2>&1 || { cat "$work/said"; fail "$name: the suite failed"; }
        stop -TERM
        [ ! -e "$work/state/secure-log.db" ] || [ "$(sqlite3 "$work/state/secure-log.db" 'PRAGMA integrity_check')" = ok ] ||
            fail "$name: the server's database is damaged"
        checked=$((checked + 1))
    done
    [ "$checked" -gt 10 ] || fail "the suite has $checked checks"
    say "$checked checks passed through the wire, in $((SECONDS - began)) s"
}

# The suite over store-postgres and a server of its own. Each check has a log of its own in one database.
check_postgres() {
    local name names checked=0 suite
    if ! have_postgres; then
        say "NOT RUN: the suite over store-postgres, as PostgreSQL is not installed (Debian's package postgresql)"
        return
    fi
    say "the suite over store-postgres"
    start_postgres -c fsync=off
    wac plug "$built/examples/store-conformance.wasm" --plug "$built/secure_log_store_postgres.wasm" -o "$work/suite.wasm"
    wasmtime compile "$work/suite.wasm" -o "$work/suite.cwasm"
    suite=(wasmtime run --allow-precompiled -S inherit-network,tcp --env "SECURE_LOG_SEED=${SECURE_LOG_SEED:-$RANDOM}"
        --env "SECURE_LOG_SOAK=${SECURE_LOG_SOAK:-}" "$work/suite.cwasm")
    names=$("${suite[@]}" names)
    for name in $names; do
        "${suite[@]}" "$(postgres_config "$name")" "$name" >"$work/said" 2>&1 || { cat "$work/said"; fail "$name: the suite failed"; }
        checked=$((checked + 1))
    done
    [ "$checked" -gt 10 ] || fail "the suite has $checked checks"
    checked=$(psql_there "SELECT count(*) FROM secure_log.log")
    [ "$checked" -gt 10 ] || fail "the suite made $checked logs in the database"
    check_postgres_over_tls
    stop_postgres
    say "every check passed over store-postgres; the database has $checked logs"
}

# The same over TLS, one check: the component is told whom to trust, and talks to nobody else.
check_postgres_over_tls() {
    local folder=$work/postgres config
    authority ours
    authority other
    printf 'subjectAltName=IP:127.0.0.1' >"$work/names"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server -keyout "$folder/server.key" \
        -out "$work/server.csr" 2>/dev/null
    openssl x509 -req -in "$work/server.csr" -CA "$work/ours.pem" -CAkey "$work/ours.key" -days 2 -extfile "$work/names" \
        -out "$folder/server.crt" 2>/dev/null
    chmod 600 "$folder/server.key"
    [ "$(id -u)" != 0 ] || chown --reference="$folder/data" "$folder/server.key" "$folder/server.crt"
    psql_there "ALTER SYSTEM SET ssl_cert_file = '$folder/server.crt'"
    psql_there "ALTER SYSTEM SET ssl_key_file = '$folder/server.key'"
    psql_there "ALTER SYSTEM SET ssl = on"
    psql_there "SELECT pg_reload_conf()" >/dev/null
    until [ "$(psql_there 'SHOW ssl')" = on ]; do sleep 0.1; done
    mkdir -p "$work/trusted"
    cp "$work/ours.pem" "$work/other.pem" "$work/trusted"
    config=$(postgres_config tls)
    over_tls() {
        wasmtime run --allow-precompiled -S inherit-network,tcp --dir "$work/trusted::/trusted" "$work/suite.cwasm" \
            "${config/sslmode=disable/sslmode=require}&sslrootcert=/trusted/$1.pem" two_writers_never_fork >"$work/said" 2>&1
    }
    over_tls ours || { cat "$work/said"; fail "the suite failed over TLS"; }
    ! over_tls other || fail "the component talked to a server of another authority"
    grep -q certificate "$work/said" || { cat "$work/said"; fail "it was refused for another reason"; }
    say "over TLS it talks to its server, and to no other"
}

# authority <name>: makes one, whose certificate is $work/<name>.pem.
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
        -keyout "$work/$1.key" -out "$work/$1.pem" 2>/dev/null
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
