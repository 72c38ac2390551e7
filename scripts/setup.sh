#!/usr/bin/env bash
# Installs what the other scripts need, each tool at a pinned version, and nothing that is there already.
#
#   setup.sh run     what scripts/run.sh needs: the Rust toolchain and wac
#   setup.sh test    what scripts/test.sh needs: all of it (default); with SECURE_LOG_SOAK what scripts/soak.sh needs
#
# Everything but the Rust toolchains and Debian packages goes into .tools and tests/jco/node_modules, so that the versions
# that you use elsewhere stay as they are; a tool of the right version that is already on the PATH is used where it is.
. "$(dirname "$0")/lib.sh"

purpose=${1:-test}
case $purpose in
    run | test) ;;
    *) fail "usage: setup.sh [run|test]" ;;
esac

main() {
    local started=$SECONDS
    require_system
    rust_toolchain
    cargo_tool wac "$wac_version" "2 minutes" wac-cli --no-default-features --features wit --config profile.release.opt-level=1
    if [ "$purpose" = test ]; then
        python_packages python "the reference reader" "${reader_packages[@]}"
        python_packages schemathesis "the HTTP service" "${service_packages[@]}"
        node_packages
        fuzz_toolchain
        # Without optimisation, and without debug information: compiling these takes longer than all that they do.
        cargo_tool cargo-deny "$cargo_deny_version" "3 minutes" cargo-deny --debug
        cargo_tool cargo-fuzz "$cargo_fuzz_version" "1 minute" cargo-fuzz --debug
        [ -z "${SECURE_LOG_SOAK:-}" ] ||
            cargo_tool cargo-component "$cargo_component_version" "3 minutes" cargo-component --debug
        # Without the second compiler, the interpreter, the debugger, and what reads other languages than components; and what is
        # optimised is what compiles components.
        cargo_tool wasmtime "$wasmtime_version" "6 minutes" wasmtime-cli --no-default-features --features \
            run,serve,compile,cranelift,parallel-compilation,pooling-allocator,component-model \
            --features component-model-async,cache,logging,backtrace,demangle --config profile.release.opt-level=1 \
            $(printf -- '--config profile.release.package.%s.opt-level=3 ' \
                cranelift-codegen cranelift-frontend regalloc2 wasmparser wasmtime-environ wasmtime-internal-cranelift)
    fi
    say "setup: everything for '$purpose' is there ($((SECONDS - started)) s)"
}

# What only the system's package manager or its administrator can install.
require_system() {
    local packages=()
    have cc && have c++ || packages+=(build-essential)
    # They compile SQLite for the components, where no WASI SDK does.
    if [ -z "${WASI_SDK_PATH:-}" ]; then
        have clang || packages+=(clang)
        have llvm-ar || packages+=(llvm)
        [ -d /usr/include/wasm32-wasi ] || packages+=(wasi-libc)
    fi
    if [ "$purpose" = test ]; then
        have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
        have sqlite3 || packages+=(sqlite3)
        have openssl || packages+=(openssl)
        have curl || packages+=(curl)
        have softhsm2-util || optional_package softhsm2
        have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || optional_package postgresql
    fi
    if [ ${#packages[@]} -gt 0 ]; then
        if [ "$(id -u)" = 0 ] && have apt-get; then
            say "setup: apt-get install ${packages[*]} (about 1 minute)"
            apt-get update -qq
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null </dev/null
        else
            say "setup: these Debian packages are missing, and only root can install them:"
            say "    sudo apt-get install ${packages[*]}"
            exit 1
        fi
    fi
    have cargo || fail "there is no cargo on the PATH; install Rust with rustup (https://rustup.rs) and call this again"
}

# optional_package <package>: one without which a step says that it did not run.
optional_package() {
    if [ "$(id -u)" = 0 ] && have apt-get; then
        say "setup: apt-get install $1 (some seconds)"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null </dev/null && return
    fi
    say "setup: the package $1 could not be installed, so the steps that need it will not run"
}

rust_toolchain() {
    local channel installed part targets=("$wasm_target" "$bare_target")
    channel=$(rust_channel)
    # cargo-component builds for this target too, whatever it is told, and would add it itself.
    [ -z "${SECURE_LOG_SOAK:-}" ] || targets+=(wasm32-wasip1)
    if ! have rustup; then
        for part in "${targets[@]}"; do
            [ -d "$(rustc --print sysroot)/lib/rustlib/$part" ] ||
                fail "this Rust has no target $part and there is no rustup to add it; install Rust with rustup"
        done
        return
    fi
    if ! installed=$(rustup "+$channel" component list --installed 2>/dev/null); then
        say "setup: Rust $channel (about 1 minute)"
        rustup toolchain install "$channel" --profile minimal --no-self-update
    fi
    for part in clippy rustfmt; do
        if [[ $installed != *"$part"* ]]; then
            say "setup: $part for Rust $channel (some seconds)"
            rustup component add --toolchain "$channel" "$part"
        fi
    done
    for part in "${targets[@]}"; do
        if [[ $installed != *"rust-std-$part"* ]]; then
            say "setup: the target $part for Rust $channel (some seconds)"
            rustup target add --toolchain "$channel" "$part"
        fi
    done
}

# cargo_tool <command> <version> <how long> <crate> [options of cargo install]
cargo_tool() {
    local command=$1 version=$2 duration=$3 crate=$4
    shift 4
    if [[ " $("$command" --version 2>/dev/null | head -1) " == *" $version "* ]]; then
        return
    fi
    say "setup: $crate $version (compiling, about $duration on two cores)"
    # A toolchain other than the pinned one may refuse what the tool was locked to, and a target folder of its own keeps
    # the project's clean.
    CARGO_TARGET_DIR=$tools/build CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --root "$tools" "$@" "$crate@$version"
    rm -rf "$tools/build"
}

# python_packages <folder> <what for> <packages>..: in an environment of their own.
python_packages() {
    local folder=$tools/$1 purpose=$2
    shift 2
    if [ "$(cat "$folder/installed" 2>/dev/null)" != "$*" ]; then
        say "setup: $* for $purpose (about 1 minute)"
        rm -rf "$folder"
        python3 -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
        printf '%s\n' "$*" >"$folder/installed"
    fi
}

# For the second host, tests/jco.
node_packages() {
    if ! node_is_recent || ! have npm; then
        python_packages node "tests/jco, since there is no Node $node_oldest or newer with npm on the PATH" "$node_package"
        mkdir -p "$tools/bin"
        ln -sf "$tools"/node/bin/{node,npm} "$tools/bin/"
    fi
    local stamp=tests/jco/node_modules/installed
    if ! cmp -s tests/jco/package-lock.json "$stamp"; then
        say "setup: the npm packages of tests/jco (about 1 minute)"
        # Not `npm ci`: it insists on optional packages for other systems, which not every registry serves.
        npm install --prefix tests/jco --no-save --ignore-scripts --no-audit --no-fund --loglevel=error
        cp tests/jco/package-lock.json "$stamp"
    fi
}

# Fuzzing instruments the code with options that only a nightly compiler has. It is the one tool that a machine may lack.
fuzz_toolchain() {
    if have rustup && ! rustup "+$nightly" component list --installed >/dev/null 2>&1; then
        say "setup: Rust $nightly for the fuzz targets (about 1 minute)"
        rustup toolchain install "$nightly" --profile minimal --no-self-update ||
            say "setup: $nightly could not be installed, so the fuzz targets will not run"
    fi
}

main
