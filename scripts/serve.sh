# Starts and stops a server under `wasmtime serve`: that of the remote store, or another one. Sourced after lib.sh by scripts that
# have a folder $work, and run `stop -9` when they end.

token=token-of-the-test
export SECURE_LOG_RPC_TOKEN=$token
server=

# compile_server: once, so that each server starts at once.
compile_server() { wasmtime compile dist/secure-log-rpc-server.wasm -o "$work/server.cwasm"; }

# serve <address> [option]..: starts a server of the database in $work/state, waits until it listens, and sets
# SECURE_LOG_RPC_URL. The token is $token.
serve() {
    local address=$1
    shift
    serve_component "$address" --dir "$work/state::/data" --env SECURE_LOG_STORE_CONFIG=/data/secure-log.db \
        --env "SECURE_LOG_RPC_TOKEN=$token" "$@" "$work/server.cwasm"
    export SECURE_LOG_RPC_URL=$url
}

# serve_component <address> [option].. <component>: starts a compiled component, waits until it listens, and sets $url.
serve_component() {
    local address=$1 tries
    shift
    : >"$work/served"
    wasmtime serve --allow-precompiled -S cli --addr "$address" "$@" >"$work/served" 2>&1 &
    server=$!
    for ((tries = 0; tries < 200; tries++)); do
        url=$(sed -n 's/^Serving HTTP on //p' "$work/served")
        [ -z "$url" ] || return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    cat "$work/served"
    fail "the server did not start"
}

# stop <signal>
stop() {
    [ -n "$server" ] || return 0
    kill "$1" "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}

# fresh: no log is there.
fresh() { rm -rf "$work/state"; mkdir "$work/state"; }
