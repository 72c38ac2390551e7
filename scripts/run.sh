#!/usr/bin/env bash
# From a fresh clone to a log that verifies: sets up, builds the components, composes the stacks, and drives every function
# of the file stack from outside, including what it must refuse and what it must find in a file that was tampered with.
#
#   run.sh [LOG.jsonl]     where the log is left behind; otherwise in a new temporary folder
. "$(dirname "$0")/lib.sh"

[ $# -le 1 ] || fail "usage: run.sh [LOG.jsonl]"
log=${1:-$(mktemp -d)/audit.jsonl}
log=$(realpath -m -- "$log")

scripts/setup.sh run
say "building the components (about 2 minutes the first time)"
scripts/build-components.sh
say "building the harness with wasmtime (about 4 minutes the first time)"
(cd verify && cargo run --release --locked --quiet -- ../dist/secure-log-file.wasm "$log")
say "the log is $log"
say "README.md shows the command line; tools/secure_log_ref.py, which shares no code with it, reads the log as well"
