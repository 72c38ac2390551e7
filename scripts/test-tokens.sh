#!/usr/bin/env bash
# Drives the two stacks that have their keys on a PKCS#11 token, as docs/pkcs11.md does it.
#
#   test-tokens.sh soft    the soft token: the suite of every token, from nothing to a signed checkpoint, a rotation, and the
#                          sealed payloads, and the whole harness
#   test-tokens.sh hsm     SoftHSM2 as the host's module: the same; exit code 77 where it is not installed
#
# What a command of it does not say when it fails, the last line says.
. "$(dirname "$0")/lib.sh"

module=${SECURE_LOG_SOFTHSM:-/usr/lib/softhsm/libsofthsm2.so}
work=$(mktemp -d)
trap 'ended $?' EXIT

ended() {
    rm -rf "$work"
    case $1 in
        0 | 77) ;;
        *) printf 'test-tokens.sh: exit code %s in: %s\n' "$1" "$doing" >&2 ;;
    esac
}
doing="getting ready"

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
    local said
    build_suite
    doing="the suite over the soft token"
    wac plug "$suite" --plug "$built/secure_log_soft_token.wasm" -o suite.wasm
    wasmtime compile suite.wasm -o suite.cwasm
    # Most of it is stretching PINs, which takes one processor each.
    seq 0 $(($(wasmtime run --allow-precompiled suite.cwasm) - 1)) | xargs -P "$(nproc)" -n 1 sh -c \
        'mkdir "suite-$0" && wasmtime run --allow-precompiled --dir "suite-$0::." --env SECURE_LOG_PKCS11_TOKEN_DIR=token \
            --env "SECURE_LOG_SEED=$SECURE_LOG_SEED" --env "SECURE_LOG_SOAK=${SECURE_LOG_SOAK:-}" suite.cwasm "$0"'

    doing="from nothing to a signed checkpoint on the soft token"
    wasmtime compile "$root/dist/secure-log-command-pkcs11.wasm" -o command.cwasm
    export SECURE_LOG_PKCS11_TOKEN_DIR=audit/token
    # Without the officer's PIN nothing is made.
    said=$(log key generate checkpoint-ed25519 2>&1) && fail "a token was made without the officer: $said"
    [[ $said == *SECURE_LOG_PKCS11_SO_PIN* ]] || fail "the refusal does not say what to set: $said"
    SECURE_LOG_PKCS11_SO_PIN=the-officers-pin log key generate checkpoint-ed25519 >/dev/null
    from_nothing_to_rotation
    doing="sealed payloads with wrapping keys on the soft token"
    sealed_payloads aes-kwp aes-gcm

    doing="the harness over the soft token"
    export SECURE_LOG_PKCS11_TOKEN_DIR=$work/audit/token
    harness "$root/dist/secure-log-sqlite-pkcs11.wasm" "$work/harness.db"
}

# With a token that has one key.
from_nothing_to_rotation() {
    local said
    said=$(log key generate checkpoint-ed25519 2>&1) && fail "a key was made over another: $said"
    rotation
    said=$(SECURE_LOG_PKCS11_PIN=not-the-users log verify 2>&1) && fail "a wrong PIN opened the log: $said"
    [[ $said != *not-the-users* ]] || fail "a PIN was printed: $said"
    log verify >/dev/null
    say "a wrong PIN is refused, and takes no key away"
    pins
    verified_without_token
}

# Who verifies has a copy of the log and public keys; the reference reader would not know what to do with a token.
verified_without_token() {
    local origin verdict
    export PATH=$tools/python/bin:$PATH
    if ! python3 -c 'import cryptography' 2>/dev/null; then
        say "NOT RUN: there is no Python package cryptography (scripts/setup.sh test), so that NOBODY VERIFIED WITHOUT THE TOKEN"
        return
    fi
    (cd "$root" && test_programs)
    "$target/debug/examples/export" "$work/$SECURE_LOG" >exported.jsonl
    origin=$(sed -n '1s/.*"origin":"\([^"]*\)".*/\1/p' exported.jsonl)
    verdict=$(env -i PATH="$PATH" python3 "$root/tools/secure_log_ref.py" verify exported.jsonl --origin "$origin" \
        --trust "$(verifier_key checkpoint-ed25519 "$origin")" \
        --signer "$(verifier_key checkpoint-ed25519 checkpoint-ed25519)" \
        --signer "$(verifier_key segment-signer segment-signer)")
    [[ $verdict == *'"verdict": "valid"'*'"missing": []'* ]] || fail "without the token it does not verify: $verdict"
    say "both checkpoints verify by public keys alone"
}

verifier_key() { log key show "$1" --name "$2" | sed -n 's/^verifier key: //p'; }

# A PIN is changed by whoever has it, and a forgotten one is set by the officer; every key stays.
pins() {
    local said
    log key change-pin <<<"another-users-pin" >/dev/null
    said=$(log verify 2>&1) && fail "the old PIN opened the log: $said"
    SECURE_LOG_PKCS11_PIN=another-users-pin log verify >/dev/null
    said=$(log key reset-pin <<<"$SECURE_LOG_PKCS11_PIN" 2>&1) && fail "a PIN was set without the officer: $said"
    [[ $said == *SECURE_LOG_PKCS11_SO_PIN* ]] || fail "the refusal does not say what to set: $said"
    SECURE_LOG_PKCS11_SO_PIN=the-officers-pin log key reset-pin <<<"$SECURE_LOG_PKCS11_PIN" >/dev/null
    log verify >/dev/null
    say "a PIN is changed, a forgotten one is set by the officer, and the log verifies"
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

# sealed_payloads ALGORITHM ALGORITHM: makes two wrapping keys, which the harness uses as well, and seals, opens, wraps anew and
# erases under them.
sealed_payloads() {
    local said segment
    log key generate sealing-kek-1 --algorithm "$1" >/dev/null
    log key generate sealing-kek-2 --algorithm "$2" >/dev/null
    export SECURE_LOG_KEK_LABEL=sealing-kek-1
    log create-stream ward --tier protected >/dev/null
    printf 'the patient is Ann' | log append ward admitted - --sealed >/dev/null
    segment=$(log close ward | sed -n 's/^segment: //p')
    printf 'the patient is Ben' | log append ward admitted - --sealed >/dev/null
    ! grep -q 'the patient' "$SECURE_LOG"* || fail "what was sealed is in the database"
    said=$(log reseal sealing-kek-2)
    [[ $said == *"resealed: 2"* ]] || fail "the data keys were not wrapped anew: $said"
    export SECURE_LOG_KEK_LABEL=sealing-kek-2
    said=$(log open-payload --stream ward)
    [[ $said == *"the patient is Ann"*"the patient is Ben"* ]] || fail "wrapped anew, the payloads do not open: $said"
    log erase ward segment "$segment" >/dev/null
    said=$(log verify --open)
    [[ $said == *"verdict: valid"*"erased payloads: 1"*"unopened: 0"* ]] || fail "it does not verify with all opened: $said"
    unset SECURE_LOG_KEK_LABEL
    say "wrapped by $1, then by $2: payloads open, and what was erased does not"
}

# log WORD..: the command whose keys are on the token.
log() {
    if [ -n "${SECURE_LOG_PKCS11_TOKEN_DIR:-}" ]; then
        wasmtime run --allow-precompiled --dir . --env SECURE_LOG --env SECURE_LOG_PKCS11_TOKEN_DIR \
            --env SECURE_LOG_PKCS11_PIN ${SECURE_LOG_PKCS11_SO_PIN:+--env SECURE_LOG_PKCS11_SO_PIN} \
            ${SECURE_LOG_KEK_LABEL:+--env SECURE_LOG_KEK_LABEL} command.cwasm "$@"
    else
        "$verify" --pkcs11-module "$module" --run "$root/dist/secure-log-command-hsm.wasm" "$@"
    fi
}

softhsm() {
    if ! have softhsm2-util || [ ! -f "$module" ]; then
        say "NOT RUN: there is no SoftHSM2 here (apt-get install softhsm2), so that NO REAL MODULE WAS TRIED"
        exit 77
    fi
    mkdir tokens
    printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$work/tokens" >softhsm2.conf
    export SOFTHSM2_CONF=$work/softhsm2.conf
    build_suite
    build_verify
    doing="the suite over SoftHSM2"
    "$verify" --pkcs11-module "$module" --run "$suite" all softhsm

    doing="from nothing to a signed checkpoint on SoftHSM2"
    softhsm2-util --init-token --free --label audit --so-pin the-officers-pin --pin "$SECURE_LOG_PKCS11_PIN" >/dev/null
    export SECURE_LOG_PKCS11_LABEL=audit
    log key generate checkpoint-ed25519 >/dev/null
    from_nothing_to_rotation
    doing="sealed payloads with wrapping keys on SoftHSM2"
    # It has no AES-KWP (docs/pkcs11.md).
    sealed_payloads aes-gcm aes-gcm

    doing="the harness over SoftHSM2"
    harness "$root/dist/secure-log-sqlite-hsm.wasm" "$work/harness.db" --pkcs11-module "$module"
}

# The suite of every token as a component that imports one.
build_suite() {
    doing="building the suite"
    (cd "$root" && for_wasm --quiet && test_components)
}
built=$target/$wasm_target/release
suite=$built/examples/token-conformance.wasm

build_verify() {
    local from=$doing
    doing="building the host"
    verify=$(verify_target)/release/secure-log-verify
    (cd "$root/verify" && cargo build --release --locked --quiet --features pkcs11)
    doing=$from
}
verify_target() { realpath -m -- "${CARGO_TARGET_DIR:-$root/verify/target}"; }

# harness <stack> <log> [options]
harness() {
    local stack=$1 database=$2
    shift 2
    build_verify
    "$verify" "$@" "$stack" "$database"
    if have sqlite3; then
        [ "$(sqlite3 "$database" 'PRAGMA integrity_check')" = ok ] || fail "sqlite3 finds the database damaged"
    fi
}

# The seed of the templates, which a failing check prints.
export SECURE_LOG_SEED=${SECURE_LOG_SEED:-$RANDOM$RANDOM}
main "$@"
