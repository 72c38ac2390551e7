#!/usr/bin/env bash
# Builds every component for wasm32-wasip2, composes the stacks into dist/ with wac and compares what each stack imports
# and exports with its committed list, dist/<stack>.txt. With --update it rewrites the lists instead.
. "$(dirname "$0")/lib.sh"

update=
case "${1-}" in
    --update) update=--update ;;
    "") ;;
    *) fail "usage: build-components.sh [--update]" ;;
esac
[ "$(wac --version 2>/dev/null)" = "wac-cli $wac_version" ] || fail "wac $wac_version is missing; run scripts/setup.sh run"

# SECURE_LOG_DIST=<folder>: composes there, and compares with the lists in dist/.
dist=${SECURE_LOG_DIST:-dist}

main() {
    mkdir -p "$dist"
    build
    # What the core imports and a stack does not provide, it leaves open; the lists say so.
    compose secure-log-core secure-log-component anchor-none keystore-none
    compose secure-log-memory secure-log-component anchor-none store-memory keystore-software
    compose secure-log-file secure-log-component anchor-file store-file keystore-software
    # `wac plug` gives a plug's exports to the socket only, so that the store gets its engine first.
    compose_store_sqlite
    compose secure-log-sqlite secure-log-component anchor-file "$store_sqlite" keystore-software
    add_audit secure-log-audit "$dist/secure-log-sqlite.wasm"
    compose_store_remote
    compose secure-log-remote secure-log-component anchor-file "$store_remote" keystore-software
    compose secure-log-rpc-server rpc-server "$store_sqlite"
    compose secure-log-postgres secure-log-component anchor-file store-postgres keystore-software
    # The HTTP service as a handler of wasi:http.
    compose secure-log-http-sqlite http-api anchor-file "$store_sqlite" keystore-software
    compose secure-log-http-postgres http-api anchor-file store-postgres keystore-software
    compose secure-log-witness witness-component keystore-software
    # With heads that witnesses cosign.
    compose secure-log-sqlite-witness secure-log-component anchor-witness "$store_sqlite" keystore-software
    compose secure-log-command-witness command "$dist/secure-log-sqlite-witness.wasm" keystore-software
    # With the keys on a token: one in software, or whatever the host has.
    compose secure-log-sqlite-hsm secure-log-component anchor-file "$store_sqlite" keystore-pkcs11
    compose secure-log-command-hsm command "$dist/secure-log-sqlite-hsm.wasm" keystore-pkcs11
    if [ -n "${KEYSTORE_SOFTHSM:-}" ]; then
        compose_with_other_keystore
    else
        compose_keystore_on_token
        compose secure-log-sqlite-pkcs11 secure-log-component anchor-file "$store_sqlite" "$keystore_on_token"
        compose secure-log-command-pkcs11 command "$dist/secure-log-sqlite-pkcs11.wasm" "$keystore_on_token"
    fi
    # The command manages keys through a keystore of its own, configured by the same variables as the log's.
    compose secure-log-command command "$dist/secure-log-file.wasm" keystore-software
    # A component that imports nothing, and what Node and Python take it as.
    componentize_verifier
    compare_lists
}

# Plain cargo, and cargo-component builds the same bytes. The flags for wasm stand in .cargo/config.toml.
build() {
    for_wasm
    cargo build --release --locked -p secure-log-composition-check
    cargo build --release --locked --target "$bare_target" -p secure-log-verifier-component
}

componentize_verifier() {
    "$target/release/secure-log-composition-check" --componentize \
        "$target/$bare_target/release/secure_log_verifier_component.wasm" "$dist/secure-log-verifier.wasm" ||
        fail "the verifier could not be made a component"
    show secure-log-verifier
    python_package
}

# dist/python: the component, and the module that runs it in wasmtime.
python_package() {
    rm -rf "$dist/python"
    mkdir -p "$dist/python"
    cp -r components/verifier/python/. "$dist/python/"
    cp "$dist/secure-log-verifier.wasm" "$dist/python/secure_log_verifier/"
}

# The SQLite store with the engine in it. SQLITE_WASM=<component> puts somebody else's engine in place of ours.
compose_store_sqlite() {
    local engine=${SQLITE_WASM:-$(component sqlite-component)}
    [ -f "$engine" ] || fail "SQLITE_WASM: there is no $engine"
    "$target/release/secure-log-composition-check" --exports "$engine" sqlite:wasm/database@0.1.0 ||
        fail "SQLITE_WASM: $engine is no component with the interface of wit/sqlite"
    wac plug "$(component store-sqlite)" --plug "$engine" -o "$store_sqlite" || fail "the SQLite store could not be composed"
}
store_sqlite=$target/$wasm_target/release/store-sqlite-composed.wasm

# The remote store with its transport in it.
compose_store_remote() {
    wac plug "$(component store-remote)" --plug "$(component transport-http)" -o "$store_remote" ||
        fail "the remote store could not be composed"
}
store_remote=$target/$wasm_target/release/store-remote-composed.wasm

# The PKCS#11 keystore with the soft token in it.
compose_keystore_on_token() {
    wac plug "$(component keystore-pkcs11)" --plug "$(component soft-token)" -o "$keystore_on_token" ||
        fail "the keystore on the soft token could not be composed"
}
keystore_on_token=$target/$wasm_target/release/keystore-on-token-composed.wasm

# KEYSTORE_SOFTHSM=<component> puts somebody else's keystore in place of ours. What it needs of the host is its own affair, so
# that this stack is compared with no list; and a command needs more of a keystore than a log does.
compose_with_other_keystore() {
    local keystore=$KEYSTORE_SOFTHSM plugs
    [ -f "$keystore" ] || fail "KEYSTORE_SOFTHSM: there is no $keystore"
    exports "$keystore" keys:keystore/signer ||
        fail "KEYSTORE_SOFTHSM: $keystore is no component with the interface keys:keystore/signer of wit/keys"
    plugs=("$keystore")
    case $(exports "$keystore" keys:keystore/mac && printf m)$(exports "$keystore" keys:keystore/sealer && printf s) in
        ms) ;;
        "") plugs+=(keystore-none) ;;
        # keystore-none has both, and nothing plugs one import twice.
        *) fail "KEYSTORE_SOFTHSM: $keystore has one of keys:keystore/mac and sealer: export both (one may answer unsupported), or neither" ;;
    esac
    compose secure-log-sqlite-pkcs11 secure-log-component anchor-file "$store_sqlite" "${plugs[@]}"
    unset 'stacks[-1]'
    say "secure-log-sqlite-pkcs11 has the keystore of KEYSTORE_SOFTHSM, so that its imports were compared with no list"
}

# exports <component> <interface>
exports() { "$target/release/secure-log-composition-check" --exports "$1" "$2" >/dev/null; }

# compose <stack> <socket> <plug>..: the plugs' exports become the socket's imports.
compose() {
    local stack=$1 socket=$2 plugs=() plug
    shift 2
    for plug in "$@"; do
        plugs+=(--plug "$(component "$plug")")
    done
    wac plug "$(component "$socket")" "${plugs[@]}" -o "$dist/$stack.wasm" || fail "$stack could not be composed"
    show "$stack"
}

# add_audit <stack> <log>: the interfaces of a composed log, and those of the audit profile over them. `wac plug` would give out
# the latter only.
add_audit() {
    local stack=$1 log=$2 script=$target/$wasm_target/release/audit-stack.wac
    cat >"$script" <<'END'
package secure-log:audit-stack;

let log = new secure-log:composed { ... };
let audit = new secure-log:audit-component { ...log, ... };
export log...;
export audit...;
END
    wac compose "$script" --dep "secure-log:composed=$log" --dep "secure-log:audit-component=$(component audit-component)" \
        -o "$dist/$stack.wasm" || fail "$stack could not be composed"
    show "$stack"
}

# show <stack>: it was made.
show() {
    printf '%-28s %9d bytes\n' "$dist/$1.wasm" "$(stat -c %s "$dist/$1.wasm")"
    stacks+=("$1")
}
stacks=()

# component <name>: where the built component of this name is; a path stands for itself.
component() {
    local path=$1
    if [ "${path%.wasm}" = "$path" ]; then
        path=secure_log_${1//-/_}
        path=$target/$wasm_target/release/${path/secure_log_secure_log/secure_log}.wasm
    fi
    printf '%s' "$path"
}

compare_lists() {
    local stack different=
    for stack in "${stacks[@]}"; do
        "$target/release/secure-log-composition-check" $update "$dist/$stack.wasm" "dist/$stack.txt" || different=1
    done
    [ -z "$different" ] || fail "a stack imports or exports something else than its list says; if that is meant, run with --update and commit the lists"
}

main
