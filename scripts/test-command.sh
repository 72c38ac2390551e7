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
. "$(dirname "$0")/serve.sh"
trap 'stop -9; rm -rf "$work"' EXIT

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
    trap 'stop -9' EXIT
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

# use_witness: from here on the heads are cosigned by a witness of our own, which has the log's key.
use_witness() {
    local key policy
    export SECURE_LOG=audit.db
    component=$(compiled "$root/dist/secure-log-command-witness.wasm")
    key=$(run key show checkpoint-ed25519 --name "$SECURE_LOG_ORIGIN" | sed -n 's/^verifier key: //p')
    mkdir witness
    echo "log $key" >witness/logs.txt
    serve_component 127.0.0.1:0 --max-instance-reuse-count 10000 --dir "$PWD/witness::/witness" \
        --env SECURE_LOG_WITNESS_NAME=witness.example/w --env SECURE_LOG_WITNESS_STATE=/witness \
        --env SECURE_LOG_WITNESS_LOGS=/witness/logs.txt --env SECURE_LOG_KEYSTORE_SEED="$(printf '%064d' 8)" \
        "$(compiled "$root/dist/secure-log-witness.wasm")"
    policy="witness w $(curl --silent "${url}verifier-key") $url"$'\n'"quorum w"
    export SECURE_LOG_ANCHOR=$url SECURE_LOG_TRUST=$policy
}

# with_one_away: a second witness, which is not there, and one of the two is enough.
with_one_away() {
    local away=http://127.0.0.1:9/
    local key=away.example/w+92f4e793+BDPn1MLr6Dfdqz0aSgk+pCeEa88fwjsiduYQRXWubAv9
    export SECURE_LOG_ANCHOR="$SECURE_LOG_ANCHOR $away"
    SECURE_LOG_TRUST="${SECURE_LOG_TRUST%quorum w}witness away $key $away"$'\ngroup one any w away\nquorum one'
}

# make_archive_key: somebody who confirms what is handed over; $archive is the verifier key (docs/format.md s.6).
make_archive_key() {
    openssl genpkey -algorithm ed25519 -out archive.pem
    { printf '\1'; openssl pkey -in archive.pem -pubout -outform DER | tail -c 32; } >archive.key
    { printf 'archive.example\n'; cat archive.key; } | openssl dgst -sha256 -binary | head -c 4 >archive.id
    archive=archive.example+$(od -An -tx1 archive.id | tr -d ' \n')+$(base64 -w 0 archive.key)
}

# archive_signs FILE: the text in it as a note that the archive signed.
archive_signs() {
    openssl pkeyutl -sign -rawin -inkey archive.pem -in "$1" -out archive.sig
    cat "$1"
    printf '\n\342\200\224 archive.example %s\n' "$(cat archive.id archive.sig | base64 -w 0)"
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
    wasmtime run --allow-precompiled -S http --dir . "${flags[@]}" "$component" "$@"
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
    sed -E -e 's/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/<uuid>/g' \
        -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z/<time>/g' \
        -e 's/\b0{64}\b/<zero>/g' -e 's/\b[0-9a-f]{64}\b/<hash>/g' -e 's/\b[0-9a-f]{32}\b/<id>/g' \
        -e 's/\b[0-9a-f]{16}\b/<key-id>/g' -e 's/\+[0-9a-f]{8}\+/+<key-id>+/g' -e 's#[A-Za-z0-9+/]{42,}={0,2}#<base64>#g'
}

main "$@"
