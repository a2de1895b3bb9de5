#!/bin/bash
# Runs the library's tests under sanitizers: ci/sanitizers.sh [address] [thread], or both.
#
# The stable compiler does it. Each sanitizer first has to find a fault that is there: the programs
# of ci/sanitizers. ThreadSanitizer must see the standard library's locks, so that is built too, of
# Debian's sources for this compiler, in the folder that ci/windows.sh keeps them in.
#
# Left out, with the reason:
#   crimes       they end by the heap's own hand, before a sanitizer has anything to say
#   aead, scope  under both: they look for what a cipher leaves on a stack, and a sanitizer moves
#                locals elsewhere and makes frames larger than the stack that they are to fit
#   forks        under ThreadSanitizer: it does not follow a fork of a process with threads
set -euo pipefail
cd "$(dirname "$0")/.."

triple=$(rustc -vV | sed -n 's/^host: //p')
out=${CARGO_TARGET_DIR:-$PWD/target}/sanitizers
export RUSTC_BOOTSTRAP=1
# What is looked at is the library, not what it rests on, which is only to be built soon.
export CARGO_PROFILE_DEV_DEBUG=line-tables-only CARGO_INCREMENTAL=0
# The tests proper run more; here each case is to take a way, and takes several times as long.
export PROPTEST_CASES=32
fast='profile.dev.package."*".opt-level=0'

step() { printf '\n=== %s\n' "$*"; }

# The control: the program $1, built with the flags behind it, must be told of as $2.
finds() {
    local program=$1 words=$2
    shift 2
    mkdir -p "$out"
    rustc -O --edition 2024 "$@" -o "$out/$program" "ci/sanitizers/$program.rs"
    if "$out/$program" > "$out/$program.log" 2>&1 || ! grep -q "$words" "$out/$program.log"; then
        cat "$out/$program.log"
        echo "the sanitizer does not find what is wrong with ci/sanitizers/$program.rs" >&2
        return 1
    fi
    echo "the control: $(grep -m 1 "$words" "$out/$program.log")"
}

tests() {
    local skip
    skip=(--skip aead --skip scope::tests)
    cargo test -q --config "$fast" --target "$triple" --target-dir "$out/$1" "${@:2}" \
        -p vmsafe --lib -- "${skip[@]}" "${also[@]}"
}

address() {
    step "AddressSanitizer"
    finds overflow heap-buffer-overflow -Zsanitizer=address
    also=()
    # Books of a heap stay for the life of the process, and are no leaks.
    ASAN_OPTIONS=detect_leaks=0:handle_segv=0:use_sigaltstack=0 \
        RUSTFLAGS=-Zsanitizer=address tests address
}

thread() {
    step "ThreadSanitizer"
    finds race 'data race' -Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer
    # shellcheck disable=SC2034 # read by prepare_compiler
    root=$(ci/windows/toolchain.sh --folder)
    mkdir -p "$root/done"
    finished() { : > "$root/done/$1"; }
    . ci/windows/apt.sh
    . ci/windows/compiler.sh
    prepare_compiler
    also=(--skip forks)
    # The cipher for wide registers has larger frames here than its stack holds.
    TSAN_OPTIONS=halt_on_error=1 RUSTUP_TOOLCHAIN=$root/compiler \
        RUSTFLAGS='-Zsanitizer=thread --cfg aes_backend="soft"' tests thread -Zbuild-std
}

for sanitizer in "${@:-address thread}"; do
    for each in $sanitizer; do
        "$each"
    done
done
