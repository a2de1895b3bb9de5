#!/bin/bash
# From a fresh machine to green for Windows, under Wine, and type checks for other systems.
# $VMSAFE_WINDOWS_TOOLCHAIN names the folder that keeps the tool chain between runs.
#
# Left out: the tests of the running Linux kernel (crates/vmsafe/tests), the laboratory's and the
# utility's, whose subjects are Linux's own; and the benchmark, for its peers are Linux's too.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(readlink -m "${VMSAFE_WINDOWS_TOOLCHAIN:-target/windows-toolchain}")
ci/windows/toolchain.sh "$folder"
. "$folder/env.sh"
# Another compiler's folder: neither build undoes the other's.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/elsewhere"
windows=x86_64-pc-windows-gnu

step() { printf '\n=== %s\n' "$*"; }

step "tests for $windows, under Wine"
# No fork, so no tests of it. And this target's thread-locals end in no order, so that an ended
# thread's share of a heap stays locked: docs/platform.md says so.
not_there=(--skip heap::tests::forks --skip heap::tests::a_thread_gives_back_what_it_held_ready)
for crate in vmsafe-os vmsafe vmsafe-witness; do
    cargo test --target "$windows" -p "$crate" --lib -- "${not_there[@]}"
    cargo test --target "$windows" -p "$crate" --doc
done

step "the interface of 2001, a C program under Wine"
ci/windows/capi.sh

for target in "$windows" x86_64-pc-windows-msvc; do
    step "type check for $target"
    cargo check --target "$target" --workspace --exclude vmsafe-bench
done
# No machine here runs these: what the compiler and its lints see is all that is known of them.
for target in aarch64-apple-darwin x86_64-unknown-freebsd x86_64-unknown-openbsd; do
    step "type check and lints for $target"
    cargo clippy --target "$target" --workspace --exclude vmsafe-bench -- -D warnings
    cargo clippy --target "$target" -p vmsafe-os --all-targets -- -D warnings
done
