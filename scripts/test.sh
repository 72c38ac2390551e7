#!/usr/bin/env bash
# The gate: every check that there is. Each step prints what it does and how long it took; the last line counts them, and
# before it stands the end of what each failed step printed. All of that is in target/steps/.
#
#   test.sh [WORD]..       only the steps whose name contains one of the words
#
# Property and mutation tests draw a seed and print it; SECURE_LOG_SEED=<seed> repeats a run. Counts are reduced;
# scripts/soak.sh runs the full ones. SECURE_LOG_FUZZ_SECONDS says how long each fuzz target runs (5). What cannot run here says so in capitals and is listed again at the end.
. "$(dirname "$0")/lib.sh"

words=("$@")
scripts/setup.sh test

# The tests that call the reference reader find a Python that has its packages.
export PATH=$tools/python/bin:$PATH
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The folders that cargo sees as a whole of their own.
mapfile -t workspaces < <(grep -l '^\[workspace\]' Cargo.toml */Cargo.toml */*/Cargo.toml | xargs -n 1 dirname)

main() {
    step "format" check_format
    step "toolchain: rust-version is the pinned compiler" check_rust_version
    step "interfaces: wit/deps is the pinned release" scripts/fetch-wit.sh --check
    step "golden files: the reference reader makes them anew" check_golden_files
    step "golden files: those of the first reference reader are as they were" check_first_golden_files
    step "attack table: the tests that docs/attacks.md names are there" check_attack_table
    step "tests: every file is part of a program" check_test_files
    step "clippy" check_clippy
    step "tests" cargo test "${tested[@]}" --no-fail-fast
    step "audit profile: its examples run" check_audit_examples
    step "features" check_features
    step "documentation" check_documentation
    step "dependencies: licences, bans, sources" cargo-deny --locked check --hide-inclusion-graph bans licenses sources
    step "dependencies: advisories" check_advisories
    step "components: built, composed, imports as listed" scripts/build-components.sh
    # With the full counts only: its makers are retiring it, and it and what it builds take ten minutes.
    [ -z "${SECURE_LOG_SOAK:-}" ] || step "components: cargo-component builds them" check_cargo_component
    step "store components: the suite of every store" scripts/test-stores.sh
    step "anchor components: the suite of every anchor" scripts/test-anchors.sh
    step "harness: its own tests" test_harness
    step "harness: file stack" harness_file_stack
    step "harness: memory stack" harness dist/secure-log-memory.wasm :memory:
    step "harness: SQLite stack" harness_sqlite_stack
    step "harness: SQLite stack in memory" harness dist/secure-log-sqlite.wasm :memory:
    step "harness: PostgreSQL stack" harness_postgres_stack
    step "harness: SQLite stack with the audit profile" harness dist/secure-log-audit.wasm "$work/events.db"
    step "harness: the same in memory" harness dist/secure-log-audit.wasm :memory:
    step "harness: remote stack, which talks to a server" harness_remote_stack
    step "harness: remote stack over a transport of the host, which is no HTTP" harness_pipe_stack
    step "reference reader: the composed stack's log is valid" read_composed_log
    step "reference reader: the composed SQLite stack's log is valid" read_composed_database
    step "SQLite stack: several writers at once, and writers that are killed" scripts/test-writers.sh
    step "remote stack: through a server that is killed in the middle" scripts/test-remote.sh
    step "witness: clients that race, a server that is killed, a composed log, and witnesses of others" scripts/test-witness.sh
    step "SQLITE_WASM: another engine is composed, and what is none is refused" check_other_engine
    step "harness: keys on the soft token" scripts/test-tokens.sh soft
    step "harness: keys on SoftHSM2, a module of the host" scripts/test-tokens.sh hsm
    step "KEYSTORE_SOFTHSM: another keystore is composed, and what is none is refused" check_other_keystore
    step "harness: foreign store and keystore" check_foreign
    step "attacks: composed, on the memory, the file, the SQLite and the PostgreSQL store" scripts/test-attacks.sh
    step "second host: Node with jco" check_jco
    step "verifier: the same report in wasmtime, Node, Python and Rust" scripts/test-verifier.sh
    step "command: as in the transcripts" scripts/test-command.sh
    step "HTTP service: by its OpenAPI document" scripts/test-service.sh
    step "HTTP service as a component: over SQLite and PostgreSQL, under wasmtime serve" scripts/test-http-guests.sh
    step "README and pages that show commands: what is shown is what happens" check_readme
    step "fuzz" check_fuzz
    close
}

# ---- The steps. Exit code 77 means: could not run here, and said why.

check_format() {
    local folder
    for folder in "${workspaces[@]}"; do
        (cd "$folder" && cargo fmt --all --check)
    done
}

check_rust_version() {
    local declared
    declared=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    [ "$(rust_channel)" = "$declared.0" ] ||
        { say "Cargo.toml promises Rust $declared and rust-toolchain.toml tests $(rust_channel)"; return 1; }
}

check_golden_files() {
    tools/secure_log_ref.py vectors "$work/golden"
    diff -r vectors/secure-log "$work/golden"
}

# Our reader began as this one, which does not know what an introduction of a key looks like.
check_first_golden_files() {
    local original=${SECURE_LOG_PUBLIC_VECTORS:-}/../reference/secure_log_ref.py
    [ -f "$original" ] || not_run "SECURE_LOG_PUBLIC_VECTORS does not point at vectors with the reference reader beside them"
    python3 "$original" vectors "$work/first"
    rm "$work/first/logs/key-introduced.jsonl"
    python3 - "$work/first/logs/expected.json" vectors/secure-log/logs/expected.json <<'END'
import json, sys
first, ours = (json.load(open(path)) for path in sys.argv[1:])
del first["key-introduced"]
sys.exit(f"other verdicts: {first.items() - ours.items()}" if first.items() - ours.items() else 0)
END
    rm "$work/first/logs/expected.json"
    local file
    while read -r file; do
        cmp "$work/first/$file" "vectors/secure-log/$file"
    done < <(cd "$work/first" && find . -type f)
}

# What stands between backticks in the table is the name of a test, of a check, or of a file.
check_attack_table() {
    local name missing=
    while read -r name; do
        git grep --quiet --fixed-strings -e "$name" -- crates tests verify scripts ||
            [ -n "$(git ls-files -- "*/$name.sh")" ] || { say "nothing is called '$name'"; missing=1; }
    done < <(grep '^| ' docs/attacks.md | grep -o '`[^`]*`' | tr -d '`' | sort -u)
    [ -z "$missing" ]
}

# The compiler says nothing about a file of tests that no program has.
check_test_files() {
    local program folder file name missing=
    while read -r program; do
        folder=$(dirname "$program")
        for file in "$folder"/*.rs "$folder"/*/mod.rs; do
            [ -f "$file" ] && [ "$file" != "$program" ] || continue
            name=$(basename "${file%/mod.rs}" .rs)
            grep -q "^\(pub(crate) \)\?mod $name;$" "$program" || { say "$program does not have $file"; missing=1; }
        done
    done < <(git ls-files "crates/*/tests/*main.rs" "crates/*/tests/*/mod.rs")
    [ -z "$missing" ]
}

# All share a target folder, since several of them need wasmtime, and what all need. Fuzz targets are for another compiler, and
# benchmarks, which have everything compiled once more, are checked with the full counts.
check_clippy() {
    cargo clippy --quiet --locked --workspace --features secure-log-rpc/http --all-targets -- -D warnings
    local folder
    for folder in "${workspaces[@]}"; do
        case $folder in
            . | fuzz) ;;
            bench*) [ -z "${SECURE_LOG_SOAK:-}" ] || clippy_in "$folder" ;;
            *) clippy_in "$folder" ;;
        esac
    done
}

clippy_in() { (cd "$1" && CARGO_TARGET_DIR=$target cargo clippy --quiet --locked --workspace --all-targets -- -D warnings); }

# What they print ends with how many actions have no end: none.
check_audit_examples() {
    local example said
    test_programs
    for example in quick-start agent-runtime web-service; do
        said=$("$target/debug/examples/$example")
        [[ $said == *"0 without an end" ]] || { say "$example: $said"; return 1; }
    done
}

check_features() {
    cargo check --quiet --locked --no-default-features
    cargo check --quiet --locked --all-features
    # Another implementation of what seals: the same bytes, and the vectors of others.
    cargo test --quiet --locked -p secure-log --features ring --lib sealed
}

check_documentation() {
    RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --no-deps
}

check_advisories() {
    cargo-deny fetch db || not_run "the advisory database is out of reach"
    cargo-deny --locked check --hide-inclusion-graph advisories
}

# From the same sources and to the same bytes.
check_cargo_component() {
    local built=$target/$wasm_target/release
    sha256sum "$built"/secure_log_*.wasm >"$work/built"
    rm "$built"/secure_log_*.wasm
    # shellcheck disable=SC2046 # several arguments are meant
    cargo-component component build --release --locked --target "$wasm_target" $(component_packages)
    sha256sum --check --quiet "$work/built"
}

# With the feature that scripts/test-tokens.sh needs, so that the host is built once.
harness() {
    local stack
    stack=$(realpath "$1")
    (cd verify && cargo run --release --locked --quiet --features pkcs11 -- "$stack" "$2")
}

test_harness() { (cd verify && cargo test --release --locked --quiet --features pkcs11 --lib); }

# With keys that were made outside, so that the reference reader can be told whom to trust.
harness_file_stack() {
    tests/reference_reader.py make-keys "$work/keys"
    export SECURE_LOG_KEYSTORE_DIR=$work/keys SECURE_LOG_KEYSTORE_PASSPHRASE=test
    harness dist/secure-log-file.wasm "$work/audit.jsonl"
}

# The same with the keys of the file stack, for the same reader.
harness_sqlite_stack() {
    [ -d "$work/keys" ] || tests/reference_reader.py make-keys "$work/keys"
    export SECURE_LOG_KEYSTORE_DIR=$work/keys SECURE_LOG_KEYSTORE_PASSPHRASE=test
    harness dist/secure-log-sqlite.wasm "$work/audit.db"
    [ "$(sqlite3 "$work/audit.db" 'PRAGMA integrity_check')" = ok ]
    say "sqlite3 finds the database sound"
}

# Over a server of its own.
harness_postgres_stack() {
    . scripts/postgres.sh
    have_postgres || not_run "PostgreSQL is not installed (Debian's package postgresql)"
    trap stop_postgres EXIT
    start_postgres -c fsync=off
    harness dist/secure-log-postgres.wasm "$(postgres_config harness)"
    local entries
    entries=$(psql_there "SELECT count(*) FROM secure_log.log l JOIN secure_log.entry e ON e.log = l.number WHERE l.name = 'harness'")
    [ "$entries" -gt 100 ] || { say "the harness left $entries entries in the database"; return 1; }
    say "psql finds $entries entries in the log of the harness"
}

harness_remote_stack() {
    harness dist/secure-log-remote.wasm "$work/remote.db"
    [ "$(sqlite3 "$work/remote.db" 'PRAGMA integrity_check')" = ok ]
    say "sqlite3 finds the server's database sound"
}

harness_pipe_stack() {
    local built=$target/$wasm_target/release
    test_programs
    wac plug "$built/secure_log_component.wasm" --plug "$built/secure_log_store_remote.wasm" \
        --plug "$built/secure_log_anchor_none.wasm" --plug "$built/secure_log_keystore_software.wasm" -o "$work/piped.wasm"
    SECURE_LOG_VERIFY_TRANSPORT=$target/debug/examples/pipe-server harness "$work/piped.wasm" piped
}

read_composed_database() {
    test_programs
    "$target/debug/examples/export" "$work/audit.db" >"$work/exported.jsonl"
    tests/reference_reader.py verify "$work/exported.jsonl" "$work/keys"
}

# In a folder of its own, so that what is in dist/ stays.
check_other_engine() {
    local said built=$target/$wasm_target/release
    cp "$built/secure_log_sqlite_component.wasm" "$work/engine.wasm"
    SECURE_LOG_DIST=$work/dist SQLITE_WASM=$work/engine.wasm scripts/build-components.sh
    for engine in "$work/absent.wasm" "$built/secure_log_store_memory.wasm"; do
        if said=$(SECURE_LOG_DIST=$work/dist SQLITE_WASM=$engine scripts/build-components.sh 2>&1); then
            say "$engine was taken for an engine"
            return 1
        fi
        [[ $said == *"SQLITE_WASM: "*"$engine"* ]] || { say "the refusal does not say why: $said"; return 1; }
    done
}

# With the keystore that knows nothing but the WIT.
check_other_keystore() {
    local said keystore=$target/$wasm_target/release/foreign_keystore.wasm
    (cd tests/foreign && cargo build --release --locked --target "$wasm_target" --target-dir "$target")
    SECURE_LOG_DIST=$work/dist KEYSTORE_SOFTHSM=$keystore scripts/build-components.sh
    SECURE_LOG_VERIFY_KEYSTORE=foreign harness "$work/dist/secure-log-sqlite-pkcs11.wasm" :memory:
    for keystore in "$work/absent.wasm" "$target/$wasm_target/release/secure_log_store_memory.wasm"; do
        if said=$(SECURE_LOG_DIST=$work/dist KEYSTORE_SOFTHSM=$keystore scripts/build-components.sh 2>&1); then
            say "$keystore was taken for a keystore"
            return 1
        fi
        [[ $said == *"KEYSTORE_SOFTHSM: "*"$keystore"* ]] || { say "the refusal does not say why: $said"; return 1; }
    done
}

read_composed_log() {
    tests/reference_reader.py verify "$work/audit.jsonl" "$work/keys"
}

# Its key takes as long as one on a token of hardware.
check_foreign() {
    (cd tests/foreign && cargo build --release --locked --target "$wasm_target" --target-dir "$target")
    wac plug dist/secure-log-core.wasm --plug "$target/$wasm_target/release/foreign_store.wasm" \
        --plug "$target/$wasm_target/release/foreign_keystore.wasm" -o "$work/foreign.wasm"
    SECURE_LOG_TEST_SIGNATURE_MS=5 SECURE_LOG_VERIFY_KEYSTORE=foreign harness "$work/foreign.wasm" :memory:
}

check_jco() {
    node_is_recent || not_run "there is no Node $node_oldest or newer"
    (cd tests/jco && node host.mjs)
}

check_readme() {
    test_programs
    PATH=$tools/python/bin:$target/debug:$PATH scripts/check-readme.py README.md \
        docs/proofs.md docs/keys.md docs/evidence.md docs/sealing.md docs/audit.md docs/tail.md docs/query.md docs/review.md \
        docs/retention.md docs/http.md
}

check_fuzz() {
    have rustup && rustup "+$nightly" component list --installed >/dev/null 2>&1 ||
        not_run "$nightly, which fuzzing needs, is not installed"
    export RUSTUP_TOOLCHAIN=$nightly
    # No fuzzer can sign: what is behind the check of a signature is reached where every well-formed one passes.
    export RUSTFLAGS="--cfg secure_log_unchecked_signatures"
    local names name seeds seconds=${SECURE_LOG_FUZZ_SECONDS:-5}
    names=$(cargo-fuzz fuzz list --fuzz-dir fuzz)
    [ -n "$names" ] || { say "fuzz/ has no target"; return 1; }
    for name in $names; do
        # What a run of ten minutes found worth keeping.
        [ -f "fuzz/seeds/$name.tar.gz" ] || { say "fuzz/seeds has nothing for $name; fuzz/README.md says how it is made"; return 1; }
        mkdir -p "fuzz/corpus/$name" "$work/seeds/$name"
        tar -xzf "fuzz/seeds/$name.tar.gz" -C "$work/seeds/$name"
        seeds=(vectors/secure-log/logs vectors/secure-log/bundles "$work/seeds/$name")
        cargo-fuzz fuzz run --fuzz-dir fuzz "$name" "fuzz/corpus/$name" "${seeds[@]}" -- \
            -max_total_time="$seconds" -max_len=65536 -verbosity=0
        say "$name: nothing found in $seconds s"
    done
}

# ---- How a step runs.

passed=0
failed=()
skipped=()
# What each step printed, and how much of it is shown again of one that failed.
outputs=$target/steps
repeated_lines=40
rm -rf "$outputs"
mkdir -p "$outputs"

step() {
    local name=$1 word wanted=${#words[@]} began=$SECONDS status
    shift
    for word in "${words[@]}"; do
        [[ $name != *"$word"* ]] || wanted=0
    done
    [ "$wanted" = 0 ] || return 0
    printf '\n=== %s\n' "$name"
    # In a subshell of its own, not in a condition, so that its first failing command ends it.
    set +e
    (set -e; "$@") </dev/null 2>&1 | tee "$(output_of "$name")"
    status=${PIPESTATUS[0]}
    set -e
    case $status in
        0) passed=$((passed + 1)); printf '=== passed: %s (%d s)\n' "$name" $((SECONDS - began)) ;;
        77) skipped+=("$name") ;;
        *) failed+=("$name"); printf '=== FAILED: %s (%d s)\n' "$name" $((SECONDS - began)) ;;
    esac
}

output_of() { printf '%s/%s.txt' "$outputs" "${1//[^A-Za-z0-9]/-}"; }

not_run() {
    say "NOT RUN: $*"
    exit 77
}

close() {
    printf '\n'
    local name
    for name in "${skipped[@]}"; do say "NOT RUN: $name"; done
    for name in "${failed[@]}"; do show_end "$name"; done
    [ $((passed + ${#failed[@]} + ${#skipped[@]})) -gt 0 ] || fail "no step has such a name: ${words[*]}"
    say "in $SECONDS s:"
    say "$passed passed, ${#failed[@]} failed"
    [ ${#failed[@]} = 0 ]
}

# Of a long run only the end is looked at, so that what failed is said there, too.
show_end() {
    local output
    output=$(output_of "$1")
    printf 'FAILED: %s; of the %d lines in %s those that say so, and the last:\n' "$1" "$(wc -l <"$output")" "$output"
    # Where nothing says so, grep fails. A program that was killed says nothing, and cargo says by which signal.
    { grep -m "$repeated_lines" -E 'FAILED|panicked|^error|signal: ' "$output" || true; tail -n "$repeated_lines" "$output"; } | sed 's/^/    /'
}

main
