#!/usr/bin/env bash
# Several wasmtime processes append to one database at once, an entry a commit: all entries are there once, in one chain, and
# the database is sound. Then processes are killed while they append, and what they said was durable is there.
#
# SECURE_LOG_SOAK appends 10,000 entries in place of 800, and kills 200 processes in place of 8.
. "$(dirname "$0")/lib.sh"

writers=8
each=100
kills=8
[ -z "${SECURE_LOG_SOAK:-}" ] || { each=1250; kills=200; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SECURE_LOG=audit.db SECURE_LOG_KEYSTORE_SEED=0707070707070707070707070707070707070707070707070707070707070707

main() {
    wac plug "$target/$wasm_target/release/secure_log_command.wasm" --plug dist/secure-log-sqlite.wasm \
        --plug "$target/$wasm_target/release/secure_log_keystore_software.wasm" -o "$work/command.wasm"
    wasmtime compile "$work/command.wasm" -o "$work/command.cwasm"
    append_together
    :
}

log=(wasmtime run --allow-precompiled --dir "$work::." --env SECURE_LOG --env SECURE_LOG_KEYSTORE_SEED "$work/command.cwasm")

append_together() {
    local writer began=$SECONDS jobs=()
    "${log[@]}" open >/dev/null
    for ((writer = 0; writer < writers; writer++)); do
        seq -f "writer $writer entry %g" "$each" |
            "${log[@]}" append shared written --lines --batch 1 --producer "writer-$writer" >"$work/said-$writer" 2>&1 &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job" || { cat "$work"/said-*; fail "a writer failed"; }; done
    sound
    sqlite3 "$work/audit.db" 'SELECT count(*), count(DISTINCT hash), max(seqno) FROM entry' | tee "$work/counted"
    grep -q "^$((writers * each))|$((writers * each))|$((writers * each))$" "$work/counted" || fail "entries are missing or there twice"
    say "$writers processes appended $((writers * each)) entries in $((SECONDS - began)) s, all there once"
}

# Each process says after each commit how many entries are durable.
kill_while_appending() {
    local round before acknowledged after job total=0
    for ((round = 0; round < kills; round++)); do
        # All of it is verified in each round.
        ((round % 10)) || { rm -rf "$work"/audit.db*; "${log[@]}" open >/dev/null; }
        before=$(count)
        # The last process of a pipeline is the one that is killed; the first one then ends by itself.
        while echo killed; do :; done 2>/dev/null | "${log[@]}" append shared written --lines --batch 1 --acknowledge --json >"$work/acknowledged" 2>/dev/null &
        job=$!
        sleep "$(printf '0.%03d' $((150 + RANDOM % 400)))"
        kill -9 "$job"
        wait "$job" 2>/dev/null || true
        acknowledged=$(grep -c '"durable"' "$work/acknowledged" || true)
        total=$((total + acknowledged))
        sound
        after=$(count)
        [ "$after" -ge $((before + acknowledged)) ] ||
            fail "round $round: $((before + acknowledged)) entries were durable, and $after are there"
    done
    [ "$total" -ge "$kills" ] || fail "$total entries were acknowledged by $kills processes: too few to tell anything"
    say "$kills processes were killed after they had acknowledged $total entries, all of which are there"
}

count() { sqlite3 "$work/audit.db" 'SELECT count(*) FROM entry'; }

# The log opens without help and verifies, and somebody else's SQLite finds the database sound.
sound() {
    "${log[@]}" verify >"$work/verified" || { cat "$work/verified"; fail "the log does not verify"; }
    [ "$(sqlite3 "$work/audit.db" 'PRAGMA integrity_check')" = ok ] || fail "the database is damaged"
}

main
