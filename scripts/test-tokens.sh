#!/usr/bin/env bash
# Drives the two stacks that have their keys on a PKCS#11 token, as docs/pkcs11.md does it.
#
#   test-tokens.sh soft    the soft token: the suite of every token, from nothing to a signed checkpoint, a rotation, and the
#                          whole harness
#   test-tokens.sh hsm     SoftHSM2 as the host's module: the suite and the harness; exit code 77 where it is not installed
. "$(dirname "$0")/lib.sh"

module=${SECURE_LOG_SOFTHSM:-/usr/lib/softhsm/libsofthsm2.so}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

main() {
    # Only what stands here decides which keys there are.
    unset SECURE_LOG_KEYSTORE_DIR SECURE_LOG_KEYSTORE_PASSPHRASE SECURE_LOG_KEYSTORE_SEED
    cd "$work"
    mkdir -m 700 audit
    export SECURE_LOG=audit/audit.db SECURE_LOG_PKCS11_PIN=the-users-pin
    case ${1-} in
        soft) soft_token ;;
        hsm) softhsm ;;
        *) fail "usage: test-tokens.sh soft|hsm" ;;
    esac
}

soft_token() {
    local said number checks
    build_suite
    wac plug "$suite" --plug "$built/secure_log_soft_token.wasm" -o suite.wasm
    wasmtime compile suite.wasm -o suite.cwasm
    checks=$(wasmtime run --allow-precompiled suite.cwasm)
    for ((number = 0; number < checks; number++)); do
        mkdir "suite-$number"
        wasmtime run --allow-precompiled --dir "suite-$number::." --env SECURE_LOG_PKCS11_TOKEN_DIR=token \
            --env "SECURE_LOG_SEED=${SECURE_LOG_SEED:-$RANDOM}" --env "SECURE_LOG_SOAK=${SECURE_LOG_SOAK:-}" suite.cwasm "$number"
    done

    export SECURE_LOG_PKCS11_TOKEN_DIR=audit/token
    # Without the officer's PIN nothing is made.
    said=$(log key generate checkpoint-ed25519 2>&1) && fail "a token was made without the officer: $said"
    [[ $said == *SECURE_LOG_PKCS11_SO_PIN* ]] || fail "the refusal does not say what to set: $said"
    export SECURE_LOG_PKCS11_SO_PIN=the-officers-pin
    log key generate checkpoint-ed25519 >/dev/null
    unset SECURE_LOG_PKCS11_SO_PIN
    said=$(log key generate checkpoint-ed25519 2>&1) && fail "a key was made over another: $said"

    rotation
    said=$(SECURE_LOG_PKCS11_PIN=not-the-users log verify 2>&1) && fail "a wrong PIN opened the log: $said"
    [[ $said != *not-the-users* ]] || fail "a PIN was printed: $said"
    log verify >/dev/null
    say "a wrong PIN is refused, and takes no key away"

    export SECURE_LOG_PKCS11_TOKEN_DIR=$work/audit/token
    harness "$root/dist/secure-log-sqlite-pkcs11.wasm" "$work/harness.db"
}

# A second key signs a later segment, and both checkpoints verify.
rotation() {
    local signer said
    log append access login alice >/dev/null
    log close access >/dev/null
    log sign 1 >/dev/null
    log key generate segment-signer >/dev/null
    log append access login bob >/dev/null
    log close access >/dev/null
    log sign 2 segment-signer >/dev/null
    said=$(log list segments access)
    for signer in checkpoint-ed25519 segment-signer; do
        [[ $said == *"signer: $signer"* ]] || fail "no segment is signed by $signer: $said"
    done
    said=$(log checkpoints access && log verify)
    [[ $said == *"signed segments: 2"*"verdict: valid"* ]] || fail "the log does not verify after the rotation: $said"
    say "two checkpoints by two keys, one after the other, and the log verifies"
}

log() {
    wasmtime run --dir . --env SECURE_LOG --env SECURE_LOG_PKCS11_TOKEN_DIR --env SECURE_LOG_PKCS11_PIN \
        ${SECURE_LOG_PKCS11_SO_PIN:+--env SECURE_LOG_PKCS11_SO_PIN} "$root/dist/secure-log-command-pkcs11.wasm" "$@"
}

softhsm() {
    if ! have softhsm2-util || [ ! -f "$module" ]; then
        say "NOT RUN: there is no SoftHSM2 here (apt-get install softhsm2), so that NO REAL MODULE WAS TRIED"
        exit 77
    fi
    mkdir tokens
    printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$work/tokens" >softhsm2.conf
    export SOFTHSM2_CONF=$work/softhsm2.conf SECURE_LOG_PKCS11_LABEL=audit
    build_suite
    local number checks
    checks=$(verify --pkcs11-module "$module" --run "$suite")
    for ((number = 0; number < checks; number++)); do
        verify --pkcs11-module "$module" --run "$suite" "$number" softhsm
    done
    softhsm2-util --init-token --free --label audit --so-pin the-officers-pin --pin "$SECURE_LOG_PKCS11_PIN" >/dev/null
    # The keys are made by the crate's example, through the same module, so that nothing else need be installed.
    (cd "$root" && cargo run --quiet --locked -p secure-log-pkcs11 --features cryptoki --example generate -- \
        "$module" checkpoint-ed25519 segment-signer)
    harness "$root/dist/secure-log-sqlite-hsm.wasm" "$work/harness.db" --pkcs11-module "$module"
}

# The suite of every token as a component that imports one.
build_suite() {
    (cd "$root" && cargo build --quiet --release --locked --target "$wasm_target" -p secure-log-soft-token &&
        cargo build --quiet --release --locked --target "$wasm_target" -p secure-log-guest --example token-conformance)
}
built=$target/$wasm_target/release
suite=$built/examples/token-conformance.wasm

verify() { (cd "$root/verify" && cargo run --release --locked --quiet --features pkcs11 -- "$@"); }

# harness <stack> <log> [options]
harness() {
    local stack=$1 database=$2
    shift 2
    verify "$@" "$stack" "$database"
    if have sqlite3; then
        [ "$(sqlite3 "$database" 'PRAGMA integrity_check')" = ok ] || fail "sqlite3 finds the database damaged"
    fi
}

main "$@"
