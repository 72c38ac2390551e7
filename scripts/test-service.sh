#!/usr/bin/env bash
# The HTTP service (docs/http.md) against a client that is made of its OpenAPI document: schemathesis sends what the document
# allows and what it does not, and holds every answer against it.
#
# SECURE_LOG_SOAK sends ten times as much. SECURE_LOG_SEED repeats a run.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/openapi.sh"

examples=20
[ -z "${SECURE_LOG_SOAK:-}" ] || examples=200
seed=${SECURE_LOG_SEED:-$RANDOM}

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -9 "$server" 2>/dev/null; rm -rf "$work"' EXIT

main() {
    test_programs
    local program=$target/debug/secure-log-server
    "$program" token create --name test --scope append,read,sign,admin --log app >"$work/token"
    sed -n 4p "$work/token" >"$work/tokens"
    token=$(sed -n 2p "$work/token")
    mkdir "$work/logs"
    start "$program"
    made=$(curl --silent --show-error --fail-with-body --header "authorization: Bearer $token" --json '{"id":"app"}' "$url/v1/logs")
    [[ $made == *'"size":0'* ]] || fail "the log was not made: $made"
    for _ in 1 2 3; do
        curl --silent --fail-with-body --output "$work/answer" --header "authorization: Bearer $token" \
            --json '{"stream":"a","event":"e"}' "$url/v1/logs/app/records" || fail "$(cat "$work/answer")"
    done
    say "schemathesis, seed $seed, $examples examples of each operation"
    by_openapi --seed "$seed" --max-examples "$examples" --phases examples,coverage,fuzzing
    kill "$server"
    wait "$server" || { cat "$work/noted"; fail "the server did not end well"; }
    server=
    if grep -q panicked "$work/noted"; then
        cat "$work/noted"
        fail "something panicked"
    fi
}

# start <program>: starts the server, waits until it listens, and sets $url.
start() {
    local tries
    : >"$work/said"
    SECURE_LOG_HTTP_LISTEN=127.0.0.1:0 SECURE_LOG_HTTP_STORE=file:$work/logs SECURE_LOG_TOKENS=$work/tokens \
        SECURE_LOG_ORIGIN=example.org/audit SECURE_LOG_KEYSTORE_SEED=$(printf '%064d' 7) SECURE_LOG_HTTP_RATE=1000000 \
        "$1" >"$work/said" 2>"$work/noted" &
    server=$!
    for ((tries = 0; tries < 200; tries++)); do
        url=$(sed -n 's/^secure-log-server: listening on //p' "$work/said")
        [ -z "$url" ] || return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    cat "$work/noted"
    fail "the server did not start"
}

main
