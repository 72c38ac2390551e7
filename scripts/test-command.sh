#!/usr/bin/env bash
# Runs dist/secure-log-command.wasm under wasmtime as the cases tests/command/*.sh say, and compares what it printed, on
# both channels, and its exit codes with the transcript beside each case. With --update it rewrites the transcripts
# instead; the change is then reviewed as a diff.
#
#   test-command.sh [--update] [CASE]..     only the cases of these names
#
# SECURE_LOG_COMMAND_WASM names another composed command than the one in dist/.
. "$(dirname "$0")/lib.sh"

update=
[ "${1-}" != --update ] || { update=yes; shift; }
have wasmtime || fail "wasmtime is missing; run scripts/setup.sh run"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# compiled <component>: once, and not for each command that it is asked for.
compiled() {
    local compiled
    compiled=$work/$(basename "$1" .wasm).cwasm
    [ -f "$1" ] || fail "$1 is missing; run scripts/build-components.sh"
    [ -f "$compiled" ] || wasmtime compile "$1" -o "$compiled"
    printf '%s' "$compiled"
}
with_key_files=$(compiled "${SECURE_LOG_COMMAND_WASM:-dist/secure-log-command.wasm}")
# What the caller has set is none of the cases' business.
unset "${!SECURE_LOG@}"

main() {
    local case name different=()
    for case in tests/command/*.sh; do
        name=$(basename "$case" .sh)
        [ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
        run_case "$root/$case" >"$work/$name.raw" 2>&1
        # Of what a producer wrote nothing reaches the terminal, whatever the transcript says.
        if LC_ALL=C grep -nP '[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]' "$work/$name.raw"; then
            fail "$name: a control character or a mark of direction was printed"
        fi
        normalise <"$work/$name.raw" >"$work/$name.txt"
        if [ -n "$update" ]; then
            cp "$work/$name.txt" "tests/command/$name.txt"
        elif ! diff -u "tests/command/$name.txt" "$work/$name.txt"; then
            different+=("$name")
        else
            say "as in the transcript: $name"
        fi
    done
    [ -n "${name-}" ] || fail "there are no cases"
    [ ${#different[@]} = 0 ] || fail "different: ${different[*]}; if that is meant, run with --update and review the diff"
}

# Each case has a folder and a log of its own. Its keys come from a seed, as opening key files takes a while.
run_case() (
    set +eu +o pipefail
    mkdir -p "$work/cases/$(basename "$1" .sh)"
    cd "$work/cases/$(basename "$1" .sh)"
    component=$with_key_files
    export SECURE_LOG=audit.jsonl SECURE_LOG_ORIGIN=example.org/log SECURE_LOG_KEYSTORE_SEED=$(printf '%064d' 7)
    . "$1"
)

# ---- What the cases are written with.

# secure-log WORD..: shows the command, runs it, and shows its exit code where that is not 0.
secure-log() {
    show "$@"
    run "$@" 2>&1
    local status=$?
    [ $status = 0 ] || say "exit code: $status"
}

# use_key_folder: from here on the keys are those of the folder `keys`, in which there are none yet.
use_key_folder() {
    unset SECURE_LOG_KEYSTORE_SEED
    component=$with_key_files
    export SECURE_LOG_KEYSTORE_DIR=keys SECURE_LOG_KEYSTORE_PASSPHRASE=test
    mkdir -p keys
}

# use_soft_token: from here on the command is the one whose keys are on the soft token, in the folder `token`, which is not
# there yet.
use_soft_token() {
    unset SECURE_LOG_KEYSTORE_SEED
    export SECURE_LOG=audit.db SECURE_LOG_PKCS11_TOKEN_DIR=token SECURE_LOG_PKCS11_PIN=the-users-pin
    component=$(compiled "$root/dist/secure-log-command-pkcs11.wasm")
}

# quietly WORD..: the same for what a case only prepares; its failure is shown.
quietly() {
    local printed
    printed=$(run "$@" 2>&1) || { show "$@"; say "$printed"; }
}

# run WORD..: with the folder that it stands in, and the variables that are set now.
run() {
    local name flags=()
    for name in "${!SECURE_LOG@}"; do flags+=(--env "$name"); done
    wasmtime run --allow-precompiled --dir . "${flags[@]}" "$component" "$@"
}

# In the C locale %q quotes all that is not ASCII.
show() {
    local LC_ALL=C
    printf '$ secure-log%s\n' "$([ $# = 0 ] || printf ' %q' "$@")"
}

# about TEXT: what a part of a case shows.
about() { printf '\n# %s\n' "$*"; }

# What differs from run to run.
normalise() {
    sed -E -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z/<time>/g' \
        -e 's/\b0{64}\b/<zero>/g' -e 's/\b[0-9a-f]{64}\b/<hash>/g' -e 's/\b[0-9a-f]{32}\b/<id>/g' \
        -e 's/\b[0-9a-f]{16}\b/<key-id>/g' -e 's/\+[0-9a-f]{8}\+/+<key-id>+/g' -e 's#[A-Za-z0-9+/]{42,}={0,2}#<base64>#g'
}

main "$@"
