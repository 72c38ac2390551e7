#!/usr/bin/env bash
# Measures secure-log natively, composed under wasmtime and beside others, and prints one table (docs/benchmarks.md).
#
#   bench.sh [--quick | --full] [--json FILE]
#
#   --quick      small counts, once: shows that the benchmark runs, and nothing about speed
#   --full       verifies 5 million entries instead of 1 million; needs 4 GB in $TMPDIR
#   --json FILE  the same rows as JSON objects: name, store, mode, entries, seconds, per_s
#
# The stacks are those in dist/. It works in $TMPDIR, whose disk is the one that is measured.
. "$(dirname "$0")/lib.sh"

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

for stack in memory file sqlite remote rpc-server; do
    [ -f "dist/secure-log-$stack.wasm" ] || { scripts/build-components.sh; break; }
done
say "building the benchmark (about 8 minutes the first time)"
# The wasm flags in .cargo/config.toml are found from here.
cargo build --release --locked --quiet --manifest-path bench/Cargo.toml --target-dir "$bench_target"
cargo build --release --locked --quiet --manifest-path bench/Cargo.toml --target-dir "$bench_target" \
    -p secure-log-bench-raw -p secure-log-bench-nothing --target "$wasm_target"
cargo build --release --locked --quiet --manifest-path bench/peers/Cargo.toml --target-dir "$bench_target"
# Shares the build of wasmtime with the harness.
cargo build --release --locked --quiet --manifest-path bench/composed/Cargo.toml --target-dir "$composed_target"

scratch=${TMPDIR:-/tmp}
say "$(nproc) processors: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1); load $(cut -d ' ' -f 1 /proc/loadavg)"
filesystem=$(stat -f -c %T "$scratch")
say "working in $scratch, on $filesystem"
case $filesystem in tmpfs | ramfs) say "NOTE: that is memory and no disk: whatever syncs looks faster than it is; set TMPDIR" ;; esac
exec "$bench_target/release/secure-log-bench" \
    --composed "$composed_target/release/secure-log-bench-composed" --stacks dist \
    --guests "$bench_target/$wasm_target/release" \
    --peers "$bench_target/release/secure-log-bench-peers" "${arguments[@]}"
