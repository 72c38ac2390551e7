#!/usr/bin/env bash
# The HTTP service as a component (docs/http.md) under `wasmtime serve`, over SQLite and over PostgreSQL: every kind of route,
# clients that are in each other's way, calls that are denied, and what it says where it is misconfigured.
#
# SECURE_LOG_SOAK has more clients append more, and schemathesis send as much as to the native server. SECURE_LOG_SEED repeats a run.
. "$(dirname "$0")/lib.sh"

clients=6 records=4 examples=2 phases=fuzzing
[ -z "${SECURE_LOG_SOAK:-}" ] || { clients=16 records=50 examples=20 phases=examples,coverage,fuzzing; }
seed=${SECURE_LOG_SEED:-$RANDOM}

work=$(mktemp -d)
. "$(dirname "$0")/serve.sh"
. "$(dirname "$0")/postgres.sh"
. "$(dirname "$0")/openapi.sh"
trap 'stop -9; stop_postgres; rm -rf "$work"' EXIT

main() {
    test_programs
    mkdir "$work/config" "$work/tokens" "$work/logs" "$work/anchor"
    make_token all --scope append,read,sign,admin --log '*'
    make_token app --scope append,read,sign,admin --log app
    make_token reader --scope read --log app
    make_token expired --scope read --log app --expires 2020-01-01T00:00:00Z
    token=$(cat "$work/tokens/all")
    on_sqlite
    on_postgres
}

# make_token <name> <option>..: its text is in $work/tokens, its line in the file of the service.
make_token() {
    "$target/debug/secure-log-server" token create --name "$@" >"$work/token"
    sed -n 2p "$work/token" >"$work/tokens/$1"
    sed -n 4p "$work/token" >>"$work/config/tokens"
}

on_sqlite() {
    say "over SQLite"
    wasmtime compile dist/secure-log-http-sqlite.wasm -o "$work/sqlite.cwasm"
    service_on sqlite sqlite:/logs --dir "$work/logs::/logs"
    check_service
    wire flood "$url" "$work/tokens"
    say "schemathesis, seed $seed, $examples examples of each operation"
    # It makes no other log.
    token=$(cat "$work/tokens/app") by_openapi --seed "$seed" --max-examples "$examples" --phases "$phases"
    end_service
    check_files
    check_beside_a_native_server
    check_misconfigured
}

# The same folder is a native server's.
check_beside_a_native_server() {
    local said
    : >"$work/said"
    SECURE_LOG_HTTP_LISTEN=127.0.0.1:0 SECURE_LOG_HTTP_STORE=sqlite:$work/logs SECURE_LOG_TOKENS=$work/config/tokens \
        SECURE_LOG_ORIGIN=$origin SECURE_LOG_ANCHOR=$work/anchor/heads "$target/debug/secure-log-server" \
        >"$work/said" 2>"$work/noted" &
    server=$!
    until url=$(sed -n 's/^secure-log-server: listening on //p' "$work/said") && [ -n "$url" ]; do
        kill -0 "$server" 2>/dev/null || { cat "$work/noted"; fail "the native server did not start"; }
        sleep 0.05
    done
    said=$(ask "$url/v1/logs/app/records/3")
    [[ $said == *'"text":"3"'* ]] || fail "the native server does not have the guest's log: $said"
    said=$(curl --silent --fail-with-body --header "authorization: Bearer $token" --header 'idempotency-key: once' \
        --json '{"stream": "auth", "event": "user.login", "severity": "notice", "text": "254"}' "$url/v1/logs/app/records")
    [[ $said == *'"entries":[{"seqno":254,'* ]] || fail "the native server does not know a key of the guest: $said"
    stop -TERM
    say "a native server serves the same logs, and knows which keys were used"
}

on_postgres() {
    if ! have_postgres; then
        say "NOT RUN: the service over PostgreSQL, which is not installed (Debian's package postgresql)"
        return
    fi
    say "over PostgreSQL"
    start_postgres -c fsync=off
    wasmtime compile dist/secure-log-http-postgres.wasm -o "$work/postgres.cwasm"
    rm -rf "$work/anchor"
    mkdir "$work/anchor"
    service_on postgres "postgresql://postgres:secret@127.0.0.1:$postgres_port/postgres?sslmode=disable" -S inherit-network,tcp
    check_service
    end_service
    stop_postgres
}

# serve_guest [option].. <component>: sets $url, without the slash with which the host says it.
serve_guest() {
    serve_component 127.0.0.1:0 "$@"
    url=${url%/}
}

# service_on <component> <place> [option of wasmtime serve]..: as it is documented. What is secret is not said on a command line.
service_on() {
    local component=$1
    export SECURE_LOG_HTTP_STORE=$2
    SECURE_LOG_KEYSTORE_SEED=$(printf '%064d' 7)
    export SECURE_LOG_KEYSTORE_SEED
    shift 2
    serve_guest "$@" --dir "$work/config::/config" --dir "$work/anchor::/anchor" --env SECURE_LOG_HTTP_STORE \
        --env SECURE_LOG_KEYSTORE_SEED --env SECURE_LOG_TOKENS=/config/tokens --env SECURE_LOG_ORIGIN=$origin \
        --env SECURE_LOG_ANCHOR=/anchor/heads --env SECURE_LOG_HTTP_MAX_BODY=100000 "$work/$component.cwasm"
}
origin=example.org/audit

check_service() {
    wire walk "$url" "$work/tokens"
    wire denied "$url" "$work/tokens"
    wire race "$url" "$work/tokens" "$clients" "$records"
}

# wire <what>..: with the Python that has the packages of the reader.
wire() { python3 "$root/tests/http_wire.py" "$@" || { cat "$work/served"; fail "over the wire: $1"; }; }

end_service() {
    local tries=0
    # Whoever was answered is gone, and so are those who went away from a tail: that is seen when it is written to.
    while find "/proc/$server/fd" -lname '*/logs/*.db*' 2>/dev/null | grep -q .; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || fail "instances are left whose clients are gone"
        sleep 0.1
    done
    stop -TERM
    if grep -E 'panicked|wasm trap|wasm backtrace' "$work/served"; then fail "an instance trapped"; fi
    if grep -qF -f <(cut -c1-20 "$work"/tokens/*) "$work/served"; then fail "a token stands in what the service says"; fi
}

# Nothing is left of what was asked for and is not there, and of each log all that is there is its own.
check_files() {
    local names
    names=$(cd "$work/logs" && echo *)
    [ "$names" = "app.db service.db" ] || fail "in the folder of the logs there is: $names"
    [ "$(sqlite3 "$work/logs/app.db" 'PRAGMA integrity_check')" = ok ] || fail "the database is damaged"
}

# A service that is told nonsense says so to who runs it, and to nobody else; and without a key it says what to set.
check_misconfigured() {
    local said
    serve_guest --dir "$work/config::/config" --env SECURE_LOG_HTTP_STORE=paper:/logs \
        --env SECURE_LOG_TOKENS=/nowhere/tokens --env SECURE_LOG_HTTP_QUEUE=3 --env SECURE_LOG_HEAD_EVERY=10 "$work/sqlite.cwasm"
    said=$(ask "$url/healthz")
    [[ $said == *'"type":"/problems/misconfigured"'*'"status":503'* ]] || fail "a misconfigured service answers: $said"
    stop -TERM
    for name in HTTP_STORE TOKENS HTTP_QUEUE ORIGIN; do
        grep -q "SECURE_LOG_$name" "$work/served" || { cat "$work/served"; fail "SECURE_LOG_$name is not among the mistakes"; }
        [[ $said != *"$name"* ]] || fail "the caller is told what is wrong: $said"
    done
    unset SECURE_LOG_KEYSTORE_SEED
    mkdir "$work/keyless"
    serve_guest --dir "$work/config::/config" --dir "$work/keyless::/logs" --env SECURE_LOG_HTTP_STORE=sqlite:/logs \
        --env SECURE_LOG_TOKENS=/config/tokens --env SECURE_LOG_ORIGIN=$origin "$work/sqlite.cwasm"
    ask --json '{"id":"app"}' "$url/v1/logs" >"$work/answer"
    said=$(ask --json '{"key_id":"checkpoint-ed25519"}' "$url/v1/logs/app/checkpoint")
    [[ $said == *'/problems/key-not-found'*SECURE_LOG_KEYSTORE_DIR* ]] || fail "without a key it answers: $said"
    stop -TERM
    say "what is misconfigured is told to who runs it, and a missing key to who asks for it"
}

ask() { curl --silent --show-error --header "authorization: Bearer $token" "$@"; }

main
