#!/usr/bin/env bash
# Unpacks the WASI packages that our interfaces refer to into wit/deps, out of a pinned release of the crate wasip2.
# With --check it changes nothing and fails when wit/deps differs from that release.
. "$(dirname "$0")/lib.sh"

packages=(cli clocks filesystem http io random sockets)

check=
case "${1-}" in
    --check) check=1 ;;
    "") ;;
    *) fail "usage: fetch-wit.sh [--check]" ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Cargo fetches the crate and compares it with the registry's checksum, and says where its sources are.
mkdir "$work/src" "$work/deps"
touch "$work/src/lib.rs"
cat > "$work/Cargo.toml" <<TOML
[package]
name = "wit-source"
version = "0.0.0"
edition = "2024"
[dependencies]
wasip2 = "=${wasip2_version%%+*}"
[workspace]
TOML
metadata=$(cargo metadata --quiet --format-version 1 --manifest-path "$work/Cargo.toml")
source=$(grep -o "\"manifest_path\":\"[^\"]*/wasip2-$wasip2_version/Cargo.toml\"" <<<"$metadata" | head -1 | cut -d'"' -f4) ||
    fail "crates.io no longer resolves wasip2 to $wasip2_version"
source=$(dirname "$source")/wit/deps

for package in "${packages[@]}"; do
    cp "$source/$package.wit" "$work/deps/"
done

if [ -n "$check" ]; then
    diff -r "$work/deps" wit/deps || fail "wit/deps is not what wasip2 $wasip2_version holds; run scripts/fetch-wit.sh"
    say "wit/deps is what wasip2 $wasip2_version holds"
else
    rm -rf wit/deps
    cp -r "$work/deps" wit/deps
    say "wit/deps: ${packages[*]} of wasip2 $wasip2_version"
fi
