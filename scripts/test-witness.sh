#!/usr/bin/env bash
# The witness against clients that share no code with it (tests/witness_wire.py): each status; conflicting heads that come at
# once, also while the server is killed again and again; what no client would send. Each is run with an instance for each
# request, and with instances that answer many. Then a composed log against the witness, which is killed and emptied, and
# against witnesses that answer what they like; and the harness (verify/) over a stack under the witness.
#
# SECURE_LOG_SOAK races up to 100 logs in place of 12, and 200 in place of 30 while the server is killed, and sends up to 10000
# hostile requests in place of 300. What a request costs grows with the logs that a witness knows, and with what else the machine
# does, so that each part also ends after a time. SECURE_LOG_SEED repeats the hostile requests.
. "$(dirname "$0")/lib.sh"

races=12 killed=30 hostile=300 part_secs=40
[ -z "${SECURE_LOG_SOAK:-}" ] || { races=100 killed=200 hostile=10000 part_secs=80; }

work=$(mktemp -d)
. "$(dirname "$0")/serve.sh"
aside=
trap 'stop -9; server=$aside; stop -9; rm -rf "$work"' EXIT
# So long may a log wait for a witness that does not answer.
patience=15
wire=$root/tests/witness_wire.py

main() {
    local stack
    for stack in secure-log-witness secure-log-sqlite-witness secure-log-command-witness; do
        [ -f "dist/$stack.wasm" ] || fail "dist/$stack.wasm is missing; run scripts/build-components.sh"
    done
    wasmtime compile dist/secure-log-command-witness.wasm -o "$work/command.cwasm"
    wasmtime compile dist/secure-log-witness.wasm -o "$work/witness.cwasm"
    vkey=$("$wire" keys "$work/keys" $((1 + races + killed)))
    name_what_is_missing
    begin_stalling
    drive
    drive --max-instance-reuse-count 1000
    keep_a_log
    run_harness
    meet_others
    scripts/check-readme.py docs/witness.md
    end_stalling
}

# serve <address> [option]..: starts a witness, waits until it listens, and sets $url.
serve() {
    local address=$1
    shift
    serve_component "$address" --dir "$work/state::/state" --dir "$work/keys::/keys" \
        --env SECURE_LOG_WITNESS_NAME="${witness_name-witness.example/w}" --env SECURE_LOG_WITNESS_STATE=/state \
        --env SECURE_LOG_WITNESS_LOGS=/keys/logs.txt --env SECURE_LOG_KEYSTORE_DIR=/keys \
        --env SECURE_LOG_KEYSTORE_PASSPHRASE=test "$@" "$work/witness.cwasm"
}

name_what_is_missing() {
    fresh
    witness_name='' serve 127.0.0.1:0
    [ "$(curl --silent --write-out '%{http_code}' --data old "${url}add-checkpoint")" = $'SECURE_LOG_WITNESS_NAME is not set\n503' ] ||
        fail "a witness without a name does not say so"
    stop -TERM
    say "what is not configured is named"
}

# A body that never ends is waited for so long that the rest is done meanwhile, with a server of its own.
begin_stalling() {
    fresh
    serve 127.0.0.1:0
    aside=$server server=
    "$wire" stall "$url" >"$work/stalled" 2>&1 &
    stalled=$!
}

end_stalling() {
    wait "$stalled" || { cat "$work/stalled"; fail "a body that never ends is not refused"; }
    server=$aside aside=
    stop -TERM
    say "a body that never ends is refused $(cat "$work/stalled")"
}

# Two servers with one folder, and a client at each.
race_through_two_servers() {
    local first=$server first_url=$url
    serve 127.0.0.1:0 "$@"
    "$wire" race "$first_url" "$url" "$vkey" 1 "$races" "$part_secs"
    stop -TERM
    server=$first url=$first_url
}

# drive [option of wasmtime serve]..
drive() {
    local began=$SECONDS racing kills=0 address took
    fresh
    serve 127.0.0.1:0 "$@"
    "$wire" answers "$url" "$vkey"
    race_through_two_servers "$@"
    "$wire" hostile "$url" "${SECURE_LOG_SEED:-$RANDOM$RANDOM}" "$hostile" "$part_secs"
    ! grep -q panicked "$work/served" || { cat "$work/served"; fail "the witness panicked"; }
    "$wire" race "$url" "$url" "$vkey" $((1 + races)) "$killed" "$part_secs" &
    racing=$!
    address=$(address)
    took=$(millis_of_a_request)
    while kill -0 "$racing" 2>/dev/null; do
        # At any moment of a first request, or soon after it. Were it always before a request can end, as where the machine is busy
        # or the witness has many keys to read, nothing would ever be cosigned.
        sleep_millis $((RANDOM % (3 * took)))
        # As if the machine had lost power, in the middle of what is being written.
        stop -9
        kills=$((kills + 1))
        serve "$address" "$@"
        [ $((kills % 20)) != 0 ] || took=$(millis_of_a_request)
    done
    [ "$kills" -ge 5 ] || fail "the server was killed $kills times only"
    wait "$racing" || fail "the witness does not stand being killed"
    stop -TERM
    say "the server was killed $kills times, in $((SECONDS - began)) s: wasmtime serve $*"
}

# How long a request takes that opens the key and reads the logs.
millis_of_a_request() {
    local began=${EPOCHREALTIME/./}
    curl --silent --output "$work/health" "${url}healthz"
    printf '%s' $(((${EPOCHREALTIME/./} - began) / 1000 + 10))
}

sleep_millis() { sleep "$(($1 / 1000)).$(printf '%03d' $(($1 % 1000)))"; }

# log <verb>..: a composed log under the witnesses of $SECURE_LOG_ANCHOR and $SECURE_LOG_TRUST. Run by $run_by, if that is set.
log() {
    (cd "$work/log" && ${run_by:-} wasmtime run --allow-precompiled -S http --dir . --env SECURE_LOG=audit.db \
        --env SECURE_LOG_ORIGIN=log.example/composed --env SECURE_LOG_KEYSTORE_DIR=keys \
        --env SECURE_LOG_KEYSTORE_PASSPHRASE=test --env SECURE_LOG_ANCHOR --env SECURE_LOG_TRUST "$work/command.cwasm" "$@")
}

# append <payload> <whether it has to be anchored>
append() {
    log append door opened "$1" --json >"$work/appended" 2>"$work/said" || { cat "$work/said"; fail "'$1' was not appended"; }
    grep -q "\"anchored\":$2" "$work/appended" || { cat "$work/appended" "$work/said"; fail "'$1' should be anchored: $2"; }
}

new_log() {
    rm -rf "$work/log"
    mkdir -p "$work/log/keys"
    log key generate checkpoint-ed25519 >/dev/null
}

# A log whose witness is killed and comes back, and a store that is put back.
keep_a_log() {
    local began=$SECONDS number origin=log.example/composed
    export SECURE_LOG_ANCHOR= SECURE_LOG_TRUST=
    new_log
    log key show checkpoint-ed25519 --name $origin | sed -n 's/^verifier key: /log /p' >"$work/keys/logs.txt"
    fresh
    serve 127.0.0.1:0
    trust "witness w $vkey $url"
    log open >/dev/null
    for number in 1 2 3; do append "entry $number" true; done
    curl --silent "$url$(printf '%s' $origin | sha256sum | cut -d' ' -f1)/checkpoint" >"$work/shown"
    [ "$(sed -n 2p "$work/shown")" = 3 ] || { cat "$work/shown"; fail "the witness does not show the last head"; }
    log verify >"$work/verified" || { cat "$work/verified"; fail "the log does not verify"; }
    cp -r "$work/log" "$work/earlier"
    append "entry 4" true
    # Who puts the store back is found out.
    mv "$work/log" "$work/later"
    mv "$work/earlier" "$work/log"
    if log append door opened rewritten >"$work/said" 2>&1; then fail "a store that was put back is written to"; fi
    grep -q 'rollback' "$work/said" || { cat "$work/said"; fail "a store that was put back is not called a rollback"; }
    rm -rf "$work/log"
    mv "$work/later" "$work/log"
    # Without its witness a log does not open, and with it again it does.
    stop -9
    if log append door opened alone >"$work/said" 2>&1; then fail "the log opens without its witness"; fi
    grep -q 'w: it did not answer' "$work/said" || { cat "$work/said"; fail "the error does not name the witness"; }
    serve "$(address)"
    append "entry 5" true
    # A reader that shares no code with any of it finds a cosignature of each head, from that of the empty log on.
    test_programs
    "$target/debug/examples/export" "$work/log/audit.db" >"$work/exported.jsonl"
    tools/secure_log_ref.py verify "$work/exported.jsonl" --origin $origin --witness "$vkey" \
        --trust "$(sed 's/^log //' "$work/keys/logs.txt")" >"$work/verified" || { cat "$work/verified"; fail "another reader finds the log wrong"; }
    grep -q '"cosignatures": 6,' "$work/verified" || { cat "$work/verified"; fail "of 6 heads not each is cosigned"; }
    # One that forgot the log is an alarm.
    stop -TERM
    fresh
    serve "$(address)"
    if log append door opened forgotten >"$work/said" 2>&1; then fail "a witness that forgot the log is no alarm"; fi
    grep -q 'anchor-missing' "$work/said" || { cat "$work/said"; fail "a witness that forgot the log is not called anchor-missing"; }
    stop -TERM
    say "a composed log under a witness that was killed, and whose store was put back, in $((SECONDS - began)) s"
}

# Every step of verify/ over the stack, with a witness of two logs: the one under test, and one that is put back and continued.
run_harness() {
    local began=$SECONDS origin=log.example/harness other=log.example/put-back
    export SECURE_LOG_ANCHOR= SECURE_LOG_TRUST=
    new_log
    # Each with a key of its own, as a witness asks for.
    log key generate segment-signer >/dev/null
    { log key show checkpoint-ed25519 --name $origin && log key show segment-signer --name $other; } |
        sed -n 's/^verifier key: /log /p' >"$work/keys/logs.txt"
    fresh
    serve 127.0.0.1:0 --max-instance-reuse-count 100000
    trust "witness w $vkey $url"
    (
        export SECURE_LOG_ORIGIN=$origin SECURE_LOG_VERIFY_WITNESSED_ORIGIN=$other
        export SECURE_LOG_KEYSTORE_DIR=$work/log/keys SECURE_LOG_KEYSTORE_PASSPHRASE=test
        cd verify
        cargo run --release --locked --quiet --features pkcs11 -- "$root/dist/secure-log-sqlite-witness.wasm" "$work/harness.db"
    ) >"$work/harness" 2>&1 || { cat "$work/harness" "$work/served"; fail "the harness fails under a witness"; }
    grep -E ' (FAILED|NOT RUN|ok) +witness|steps did what they should' "$work/harness"
    ! grep -Eq 'NOT RUN +witness' "$work/harness" || fail "the steps of a witness were not run"
    stop -TERM
    say "the harness over a stack whose heads are cosigned, in $((SECONDS - began)) s"
}

# trust <line of a policy>: the log has its heads cosigned by this witness alone.
trust() {
    SECURE_LOG_ANCHOR=${1##* } SECURE_LOG_TRUST="$1"$'\nquorum w\n'
}

address() { local bare=${url#http://}; printf '%s' "${bare%/}"; }

# Witnesses that answer what they like: the log opens with the good one alone, in bounded time and memory.
meet_others() {
    local kind expected pid began mib
    while IFS='|' read -r kind expected; do
        new_log
        "$wire" serve "$kind" "$work/log/witness.txt" &
        pid=$!
        until [ -s "$work/log/witness.txt" ]; do sleep 0.05; done
        trust "$(cat "$work/log/witness.txt")"
        began=$SECONDS
        if run_by="$root/tests/hostile_wire.py measure" log open >"$work/measured" 2>"$work/said"; then
            [ "$kind" = good ] || fail "a log opens under a witness of the kind $kind"
        else
            [ "$kind" != good ] || { cat "$work/said"; fail "a log does not open under a witness that is good"; }
            grep -q "$expected" "$work/said" || { cat "$work/said"; fail "$kind: the error does not say '$expected'"; }
        fi
        kill "$pid"
        wait "$pid" 2>/dev/null || true
        mib=$(tail -n 1 "$work/measured")
        [ "$mib" -lt 300 ] || fail "$kind: it took $mib MiB"
        [ $((SECONDS - began)) -lt "$patience" ] || fail "$kind: it took $((SECONDS - began)) s"
        say "a witness of the kind $kind: $(grep -o "$expected" "$work/said" | head -n 1) ($mib MiB, $((SECONDS - began)) s)"
    done <<'KINDS'
good|
wrong-key|by another key
wrong-name|by another key
wrong-signature|its cosignature is wrong
no-time|of no time
late-time|of no time
nonsense|a conflict without a size
cut|it did not answer
endless|it did not answer
late|it did not answer
KINDS
}

main
