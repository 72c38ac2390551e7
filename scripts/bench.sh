#!/usr/bin/env bash
# Measures secure-log natively, composed under wasmtime and beside others, and prints one table (docs/benchmarks.md).
#
#   bench.sh [--quick | --full] [--json FILE]
#
#   --quick      small counts, once: shows that the benchmark runs, and nothing about speed
#   --full       verifies 5 million entries instead of 1 million, and proves in a log of 10 million; needs 6 GB in $TMPDIR
#   --json FILE  the same rows as JSON objects: name, store, mode, entries, seconds, per_s
#
# The stacks are those in dist/. It works in $TMPDIR, whose disk is the one that is measured.
. "$(dirname "$0")/lib.sh"

# With it, a host takes a trace of its stack for each call of a guest that is refused, such as opening a file that is not there.
unset RUST_BACKTRACE

case "${1-}" in -h | --help) sed -n '2,/^\. /s/^#\( \|$\)//p' "$0"; exit ;; esac

bench_target=${CARGO_TARGET_DIR:-$root/bench/target}
composed_target=${CARGO_TARGET_DIR:-$root/verify/target}
# Cargo is run elsewhere than here, so that what was meant from here has to be said from everywhere.
arguments=()
for argument in "$@"; do
    [ "${json_next-}" ] && argument=$(realpath -m -- "$argument")
    json_next=
    [ "$argument" = --json ] && json_next=1
    arguments+=("$argument")
done

built=$target/$wasm_target/release
for part in dist/secure-log-{core,memory,file,sqlite,remote,rpc-server,http-sqlite,http-postgres}.wasm \
    "$built"/{secure_log_store_file,secure_log_keystore_software,secure_log_keystore_pkcs11,keystore-on-token-composed}.wasm; do
    [ -f "$part" ] || { scripts/build-components.sh; break; }
done
say "building the benchmark (about 8 minutes the first time)"
# The wasm flags in .cargo/config.toml are found from here.
cargo build --release --locked --quiet --manifest-path bench/Cargo.toml --target-dir "$bench_target" \
    -p secure-log-bench -p secure-log-bench-http
cargo build --release --locked --quiet --manifest-path bench/Cargo.toml --target-dir "$bench_target" \
    -p secure-log-bench-raw -p secure-log-bench-nothing -p secure-log-bench-signing --target "$wasm_target"
cargo build --release --locked --quiet --manifest-path bench/peers/Cargo.toml --target-dir "$bench_target"
# Shares the build of wasmtime with the harness.
cargo build --release --locked --quiet --manifest-path bench/composed/Cargo.toml --target-dir "$composed_target"

# A stack whose signatures take as long as it is told.
guests=$bench_target/$wasm_target/release
(cd tests/foreign && cargo build --release --locked --quiet --target "$wasm_target" --target-dir "$target" -p foreign-keystore)
wac plug dist/secure-log-core.wasm --plug "$built/secure_log_store_file.wasm" --plug "$built/foreign_keystore.wasm" \
    -o "$guests/slow_key.wasm"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/soft"
parts=()

# signs_with <name> <keystore component> <program and what it is told before the guest>..: a part that signs with this keystore.
signs_with() {
    local name=$1 keystore=$2
    shift 2
    wac plug "$guests/secure-log-bench-signing.wasm" --plug "$keystore" -o "$work/$name.wasm"
    { printf '#!/bin/sh\nexec'; printf ' %q' "$@" "$work/$name.wasm" "$name"; printf '\n'; } >"$work/$name.sh"
    chmod +x "$work/$name.sh"
    parts+=(--part "$work/$name.sh")
}

# The PINs protect nothing. The seed's key is as good as any.
export SECURE_LOG_PKCS11_PIN=the-users-pin SECURE_LOG_PKCS11_SO_PIN=the-officers-pin
signs_with software "$built/secure_log_keystore_software.wasm" wasmtime run --env "SECURE_LOG_KEYSTORE_SEED=$(printf '%064d' 7)"
signs_with soft-token "$built/keystore-on-token-composed.wasm" wasmtime run --dir "$work/soft::." \
    --env SECURE_LOG_PKCS11_TOKEN_DIR=token --env SECURE_LOG_PKCS11_PIN --env SECURE_LOG_PKCS11_SO_PIN
module=${SECURE_LOG_SOFTHSM:-/usr/lib/softhsm/libsofthsm2.so}
if have softhsm2-util && [ -f "$module" ]; then
    mkdir "$work/tokens"
    printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$work/tokens" >"$work/softhsm2.conf"
    export SOFTHSM2_CONF=$work/softhsm2.conf SECURE_LOG_PKCS11_LABEL=bench
    softhsm2-util --init-token --free --label bench --so-pin the-officers-pin --pin the-users-pin >/dev/null
    cargo build --release --locked --quiet --manifest-path verify/Cargo.toml --target-dir "$composed_target" --features pkcs11
    parts+=(--pkcs11-module "$module")
    signs_with softhsm "$built/secure_log_keystore_pkcs11.wasm" \
        "$composed_target/release/secure-log-verify" --pkcs11-module "$module" --run
else
    say "NOT MEASURED: there is no SoftHSM2 here (apt-get install softhsm2)"
fi

# The verifier in Node, over the log that the native part verified.
export SECURE_LOG_BENCH_LOG=$work/verified.jsonl
if [ -d dist/npm/component ] && node_is_recent; then
    printf '#!/bin/sh\nexec node %q %q\n' "$root/bench/node.mjs" "$root/dist/npm" >"$work/node.sh"
    chmod +x "$work/node.sh"
    parts+=(--part "$work/node.sh")
else
    say "NOT MEASURED: Node, as there is no dist/npm (scripts/test-verifier.sh makes it) or no Node $node_oldest"
fi

scratch=${TMPDIR:-/tmp}
say "$(nproc) processors: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1); load $(cut -d ' ' -f 1 /proc/loadavg)"
filesystem=$(stat -f -c %T "$scratch")
say "working in $scratch, on $filesystem"
case $filesystem in tmpfs | ramfs) say "NOTE: that is memory and no disk: whatever syncs looks faster than it is; set TMPDIR" ;; esac
"$bench_target/release/secure-log-bench" \
    --composed "$composed_target/release/secure-log-bench-composed" --stacks dist --guests "$guests" \
    --http "$bench_target/release/secure-log-bench-http" \
    --peers "$bench_target/release/secure-log-bench-peers" "${parts[@]}" "${arguments[@]}"
