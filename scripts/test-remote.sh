#!/usr/bin/env bash
# The remote stack against its server: append, read, verify; several client processes at once while the server is killed and
# started again; and callers who may not call. Each is run with an instance for each request, and with instances that answer many.
#
# SECURE_LOG_SOAK lets 16 clients append 500 entries each in place of 6 that append 40.
. "$(dirname "$0")/lib.sh"

clients=6
each=40
[ -z "${SECURE_LOG_SOAK:-}" ] || { clients=16; each=500; }

work=$(mktemp -d)
. "$(dirname "$0")/serve.sh"
trap 'stop -9; rm -rf "$work"' EXIT
export SECURE_LOG=remote SECURE_LOG_KEYSTORE_DIR=keys SECURE_LOG_KEYSTORE_PASSPHRASE=test

main() {
    wac plug "$target/$wasm_target/release/secure_log_command.wasm" --plug dist/secure-log-remote.wasm \
        --plug "$target/$wasm_target/release/secure_log_keystore_software.wasm" -o "$work/command.wasm"
    wasmtime compile "$work/command.wasm" -o "$work/command.cwasm"
    compile_server
    tests/reference_reader.py make-keys "$work/keys"
    refuse_callers
    refuse_an_endless_answer
    refuse_random_bodies
    refuse_lies
    call_natively
    write_with_two_keys
    drive
    drive --max-instance-reuse-count 1000
}

log=(wasmtime run --allow-precompiled -S http --dir "$work/keys::keys" --env SECURE_LOG --env SECURE_LOG_KEYSTORE_DIR
    --env SECURE_LOG_KEYSTORE_PASSPHRASE --env SECURE_LOG_RPC_URL --env SECURE_LOG_RPC_TOKEN "$work/command.cwasm")

# status <curl argument>..: the status that the server answers.
status() { curl --silent --output "$work/body" --write-out '%{http_code}' "$@"; }

expect_status() {
    local expected=$1 found
    shift
    found=$(status "$@")
    [ "$found" = "$expected" ] || { cat "$work/body"; fail "status $found and not $expected: curl $*"; }
}

refuse_callers() {
    local call='{"method":"secure-log-heads","params":[null,1]}' url
    fresh
    serve 127.0.0.1:0
    url=$SECURE_LOG_RPC_URL
    expect_status 200 "${url}healthz"
    expect_status 401 --data "$call" "$url"
    expect_status 401 --header "authorization: Bearer x$token" --data "$call" "$url"
    local shown=(--header "authorization: Bearer $token")
    expect_status 200 "${shown[@]}" --data "$call" "$url"
    expect_status 405 "${shown[@]}" "$url"
    expect_status 404 "${shown[@]}" --data '{"method":"drop","params":[]}' "$url"
    expect_status 400 "${shown[@]}" --data '{"method":"secure-log-heads","params":[]}' "$url"
    expect_status 413 "${shown[@]}" --header 'content-length: 268435457' --data "$call" --max-time 5 "$url"
    [ -z "$(ls "$work/state")" ] || fail "a caller that was refused made $(ls "$work/state")"
    if SECURE_LOG_RPC_TOKEN=wrong "${log[@]}" open >"$work/said" 2>&1; then fail "a wrong token opens the log"; fi
    grep -q 401 "$work/said" || { cat "$work/said"; fail "the refusal does not say why"; }
    stop -TERM
    token='' serve 127.0.0.1:0
    expect_status 200 "${SECURE_LOG_RPC_URL}healthz"
    expect_status 503 --header 'authorization: Bearer ' --data "$call" "$SECURE_LOG_RPC_URL"
    grep -q SECURE_LOG_RPC_TOKEN "$work/body" || fail "the server does not say which variable is not set"
    stop -TERM
    say "callers without the token, and calls that are none, are refused"
}

# A native program over its own HTTP client.
call_natively() {
    test_programs
    fresh
    serve 127.0.0.1:0
    "$target/debug/examples/measure" "$SECURE_LOG_RPC_URL" "$token" 500 100
    stop -TERM
    [ "$(sqlite3 "$work/state/secure-log.db" 'SELECT count(*), max(seqno) FROM entry')" = '500|500' ] || fail "entries are missing"
}

# A client takes no more of an answer than an answer may have, and a server waits for no call for ever.
refuse_an_endless_answer() {
    local url pid mib
    tests/hostile_wire.py serve-endless >"$work/endless" 2>"$work/taken" &
    pid=$!
    until [ -s "$work/endless" ]; do sleep 0.1; done
    url=$(cat "$work/endless")
    if SECURE_LOG_RPC_URL=$url tests/hostile_wire.py measure "${log[@]}" open >"$work/measured" 2>"$work/said"; then
        fail "an endless answer opens a log"
    fi
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    grep -q 'longer than' "$work/said" || { cat "$work/said"; fail "the error does not say that the answer was too long"; }
    mib=$(tail -n 1 "$work/measured")
    [ "$mib" -lt 600 ] || fail "an answer of 1 GB took $mib MiB"
    say "of an answer of 1 GB a client takes what an answer may have, in $mib MiB"
    [ -n "${SECURE_LOG_SOAK:-}" ] || { say "NOT RUN without SECURE_LOG_SOAK: a call that never ends, for which a server waits a minute"; return 0; }
    fresh
    serve 127.0.0.1:0
    tests/hostile_wire.py stall "$SECURE_LOG_RPC_URL" "$token" >"$work/stalled"
    grep -q ' 4[0-9][0-9] ' "$work/stalled" || { cat "$work/stalled"; fail "a call that never ends is not refused"; }
    expect_status 200 "${SECURE_LOG_RPC_URL}healthz"
    stop -TERM
    say "a call that never ends is refused: $(cat "$work/stalled")"
}

# Row 25: bodies that somebody made up, and calls with something changed in them. Nothing is written.
refuse_random_bodies() {
    local count=500 seed=${SECURE_LOG_SEED:-$RANDOM} before
    [ -z "${SECURE_LOG_SOAK:-}" ] || count=10000
    fresh
    serve 127.0.0.1:0 --max-instance-reuse-count 1000
    "${log[@]}" append a said something >/dev/null
    before=$(sqlite3 "$work/state/secure-log.db" .dump | sha256sum)
    tests/hostile_wire.py post-random "$SECURE_LOG_RPC_URL" "$token" "$count" "$seed" ||
        fail "a random body is neither refused nor answered: SECURE_LOG_SEED=$seed"
    expect_status 200 "${SECURE_LOG_RPC_URL}healthz"
    valid
    stop -TERM
    [ "$(sqlite3 "$work/state/secure-log.db" .dump | sha256sum)" = "$before" ] || fail "a random body wrote: SECURE_LOG_SEED=$seed"
}

# Rows 23, 24 and 27: somebody stands between, and changes what the server answers.
refuse_lies() {
    fresh
    serve 127.0.0.1:0 --max-instance-reuse-count 1000
    seq -f 'entry %g' 3 | "${log[@]}" append a said --lines --batch 1 >/dev/null
    lie wrong-types corrupt open
    lie cut-short storage open
    lie changed-rows chain-broken read 2
    lie old-conflict fork append a said something
    lie forged-conflict conflict append a said something
    lie backwards rollback append a said something
    valid
    [ "$(sqlite3 "$work/state/secure-log.db" 'SELECT count(*) FROM entry')" = 3 ] || fail "something was written after all"
    stop -TERM
}

# lie <which> <error> <argument of the command>..: the command ends with this error.
lie() {
    local which=$1 error=$2 pid between
    shift 2
    rm -f "$work/between"
    tests/hostile_wire.py stand-between "$SECURE_LOG_RPC_URL" "$which" >"$work/between" 2>"$work/betrayed" &
    pid=$!
    until [ -s "$work/between" ]; do sleep 0.1; done
    between=$(cat "$work/between")
    if SECURE_LOG_RPC_URL=$between "${log[@]}" "$@" --json >"$work/said" 2>&1; then fail "$which: the command succeeds"; fi
    kill "$pid"
    wait "$pid" || { cat "$work/betrayed"; fail "$which: the client believes it"; }
    grep -q "\"error\":\"$error\"" "$work/said" || { cat "$work/said"; fail "$which: it does not end as $error"; }
    say "a server that lies ($which): $error"
}

# Two writers with keys of their own, one origin and one policy that trusts both: each goes on from the other's heads. Who does not
# trust the other's key does not.
write_with_two_keys() {
    local origin=example.org/audit writer turn policy=
    fresh
    serve 127.0.0.1:0 --max-instance-reuse-count 1000
    for writer in a b; do
        tests/reference_reader.py make-keys "$work/keys-$writer"
        policy+="log $(tests/reference_reader.py head-key "$origin" "$work/keys-$writer")"$'\n'
    done
    policy+='quorum none'
    for turn in 1 2 3; do
        for writer in a b; do
            writer_with_keys "$writer" --env "SECURE_LOG_ORIGIN=$origin" --env "SECURE_LOG_TRUST=$policy" append shared said "turn $turn of $writer" >/dev/null
        done
    done
    writer_with_keys b --env "SECURE_LOG_TRUST=$policy" verify >"$work/verified" || { cat "$work/verified"; fail "the log of two keys does not verify"; }
    if writer_with_keys a append shared said 'on my own' --json >"$work/said" 2>&1; then fail "a writer goes on from a head of a key that it does not trust"; fi
    grep -q '"error":"unattested"' "$work/said" || { cat "$work/said"; fail "the refusal is of another kind"; }
    stop -TERM
    [ "$(sqlite3 "$work/state/secure-log.db" 'SELECT count(*), max(seqno) FROM entry')" = '6|6' ] || fail "entries of two keys are missing"
    say "two writers with two keys of one origin went on from each other, and one that trusts its own key alone did not"
}

# writer_with_keys <which> [--env <variable>].. <argument of the command>..
writer_with_keys() {
    local options=(--dir "$work/keys-$1::keys")
    shift
    while [ "$1" = --env ]; do options+=(--env "$2"); shift 2; done
    wasmtime run --allow-precompiled -S http "${options[@]}" --env SECURE_LOG --env SECURE_LOG_KEYSTORE_DIR \
        --env SECURE_LOG_KEYSTORE_PASSPHRASE --env SECURE_LOG_RPC_URL --env SECURE_LOG_RPC_TOKEN "$work/command.cwasm" "$@"
}

# drive [option of wasmtime serve]..
drive() {
    local client began=$SECONDS jobs=() address
    fresh
    serve 127.0.0.1:0 "$@"
    address=${SECURE_LOG_RPC_URL#http://}
    address=${address%/}
    "${log[@]}" open >/dev/null
    "${log[@]}" append greetings said 'hello from afar' >/dev/null
    "${log[@]}" read 1 >"$work/read"
    grep -q 'hello from afar' "$work/read" || { cat "$work/read"; fail "what was appended is not read"; }
    valid
    rm -f "$work"/failed-*
    for ((client = 0; client < clients; client++)); do
        append_all "$client" &
        jobs+=($!)
    done
    sleep 1
    # As if the machine had lost power, in the middle of what is being written.
    stop -9
    sleep 0.3
    serve "$address" "$@"
    for job in "${jobs[@]}"; do
        wait "$job" || { tail -n 3 "$work"/failed-*; fail "a client gave up"; }
    done
    valid
    stop -TERM
    check_entries
    say "$clients clients appended $((clients * each)) entries through a server that was killed, in $((SECONDS - began)) s: wasmtime serve $*"
}

# append_all <client>: appends its entries, an entry a commit. A conflict says that others were faster so often that it is left to
# the caller to go on, and a lock that nothing was written: then it goes on with the first entry that was not acknowledged.
append_all() {
    local done=0 tries before
    for ((tries = 0; tries < 100; tries++)); do
        if seq -f "client $1 entry %g" $((done + 1)) "$each" |
            "${log[@]}" append "stream-$(($1 % 4))" written --lines --batch 1 --producer "client-$1" --json \
                >/dev/null 2>"$work/failed-$1"; then
            return
        fi
        grep -q '"error":"\(conflict\|locked\)"' "$work/failed-$1" || return 1
        before=$(sed -n 's/.*the lines before, up to \([0-9]*\), are in the log.*/\1/p' "$work/failed-$1")
        done=$((done + ${before:-0}))
    done
    return 1
}

valid() { "${log[@]}" verify >"$work/verified" || { cat "$work/verified"; fail "the log does not verify"; }; }

# Everything is there once, and readers that share no code with the log find it sound.
check_entries() {
    local wanted=$((clients * each + 1)) said
    said=$(sqlite3 "$work/state/secure-log.db" 'SELECT count(*), count(DISTINCT hash), max(seqno) FROM entry')
    [ "$said" = "$wanted|$wanted|$wanted" ] || fail "$wanted entries were appended; there are: $said"
    [ "$(sqlite3 "$work/state/secure-log.db" 'PRAGMA integrity_check')" = ok ] || fail "the database is damaged"
    "$target/debug/examples/export" "$work/state/secure-log.db" >"$work/exported.jsonl"
    tests/reference_reader.py verify "$work/exported.jsonl" "$work/keys"
}

main
