#!/bin/bash
# Runs every target of fuzz/ for SECONDS each: ci/fuzz.sh SECONDS [TARGET...]
#
# The stable compiler builds them, with AddressSanitizer and with libFuzzer's coverage, by the flags
# that cargo-fuzz passes; so neither it nor another compiler need be there, and a C++ compiler is.
# What was found worth keeping stays in target/fuzz/corpus, for the next run to begin with; input
# that fails is kept in target/fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?usage: ci/fuzz.sh SECONDS [TARGET...]}
shift
named=("$@")
if ((${#named[@]} == 0)); then
    mapfile -t named < <(awk '/^\[\[bin\]\]/ { bin = 1 } bin && /^name/ { print $3; bin = 0 }' \
        fuzz/Cargo.toml | tr -d '"')
fi

out=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
triple=$(rustc -vV | sed -n 's/^host: //p')
coverage=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares)
# Named by its triple, so that build scripts and macros, which run here, are left as they are.
RUSTC_BOOTSTRAP=1 RUSTFLAGS="--cfg fuzzing -Zsanitizer=address ${coverage[*]}" \
    CARGO_TARGET_DIR=$out CARGO_PROFILE_RELEASE_DEBUG=line-tables-only \
    CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true \
    cargo build -q --release --manifest-path fuzz/Cargo.toml --target "$triple" \
    "${named[@]/#/--bin=}"

for target in "${named[@]}"; do
    printf '\n=== fuzz %s, %s s\n' "$target" "$seconds"
    mkdir -p "$out/corpus/$target" "$out/artifacts/$target"
    seeds=()
    [ -d "fuzz/seeds/$target" ] && seeds=("fuzz/seeds/$target")
    # Leaks are not looked for: books of a heap and threads of a scan stay for good reason.
    "$out/$triple/release/$target" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=4096 \
        -detect_leaks=0 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$out/artifacts/$target/" "$out/corpus/$target" "${seeds[@]}"
done
