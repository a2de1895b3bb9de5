#!/bin/bash
# From a fresh machine to green for Windows, under Wine, and type checks for other systems.
# $VMSAFE_WINDOWS_TOOLCHAIN names the folder that keeps the tool chain and what it compiled between
# runs; else it is windows-toolchain below the user's cache, where a fresh clone finds it again.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(ci/windows/toolchain.sh --folder)
ci/windows/toolchain.sh "$folder"
. "$folder/env.sh"
windows=x86_64-pc-windows-gnu

# Wine's own MiniDumpWriteDump reads debug information, which Windows' does not, and dies of some.
export CARGO_PROFILE_DEV_DEBUG=none

step() { printf '\n=== %s\n' "$*"; }

# Cargo itself tells apart what compilers, features and checkouts made; the key keeps the folder
# from growing with every dependency that there ever was.
if [ -n "${CARGO_TARGET_DIR:-}" ]; then
    export CARGO_TARGET_DIR=$CARGO_TARGET_DIR/elsewhere
else
    export CARGO_TARGET_DIR=$folder/target
    key=$({ rustc -vV && cat Cargo.lock; } | sha256sum)
    if [ "$(cat "$CARGO_TARGET_DIR/key" 2> /dev/null)" != "$key" ]; then
        rm -rf "$CARGO_TARGET_DIR"
        mkdir -p "$CARGO_TARGET_DIR"
        printf '%s\n' "$key" > "$CARGO_TARGET_DIR/key"
    fi
fi

# Left out, because there is nothing of the kind on Windows:
#   crates/vmsafe/tests           the running Linux kernel, its signals and file systems
#   crates/vmsafe-cli/tests/demo  swap areas, cgroups, mounts
#   vmsafe-lab                    the same, by themselves
#   vmsafe-bench, vmsafe-tidy     Linux's peers; the sources, which are the same everywhere
step "tests for $windows, under Wine"
test_for_windows() { cargo test --target "$windows" "$@"; }

not_in_the_library=(
    # No fork.
    --skip heap::tests::forks
    # A process that searches its own memory through /proc, for what no locked page holds.
    --skip aead::tests::a_dead_frame_of_an_ordinary_stack_is_found
    --skip aead::tests::a_scope_leaves_neither_key_nor_plaintext
    --skip aead::tests::an_evaporating_leaves_neither_key_nor_plaintext
)
for crate in vmsafe-os vmsafe vmsafe-witness; do
    test_for_windows -p "$crate" --lib -- "${not_in_the_library[@]}"
    test_for_windows -p "$crate" --doc
done

not_there=(
    # Machines made of files: Linux's tables, Linux's symbolic links.
    --skip doctor::
    # Swap, another process's memory, a terminal made by script; peak memory as /proc tells it.
    --skip scan::live::
    --skip scan::hostile::
    # The programs bash, ln, chmod, sleep, kill, sed, cat, stat and a shell.
    --skip burn::what_is_no_file_of_ours_is_refused_with_advice
    --skip pages::kinds_of_keys_are_offered_behind_the_equals_sign_alone
    --skip scan::a_needle_file_that_all_may_read_draws_a_warning
    --skip scan::a_process_is_searched
    --skip scan::an_interrupt_keeps_what_was_found
    --skip scan::keys::the_primes_of_a_public_key_are_found_as_numbers
    --skip scan::media::compressed_streams_are_searched_by_content
    --skip scan::media::standard_input_is_a_target
    --skip scan::a_stream_is_needles_or_target_under_any_name
    --skip scan::directory::more_gaps_than_are_kept_are_counted
    --skip scan::directory::what_may_not_be_looked_at_is_not_taken_for_another_file_system
    --skip scan::directory::links_below_a_directory_are_not_followed_and_pipes_not_opened
    --skip scan::needles_come_by_descriptor_and_by_standard_input
    --skip scan::needles_come_from_where_a_descriptor_stands
    --skip scan::reports::a_stream_tells_a_finding_before_the_target_ends
    --skip scan::resume::
    # Files of /proc; holes, which are not asked for; names that Windows refuses; mounts.
    --skip scan::directory::a_directory_that_cannot_be_opened_leaves_the_answer_open
    --skip scan::directory::a_directory_is_no_standard_input
    --skip scan::directory::a_note_on_many_files_is_told_once
    --skip scan::directory::file_systems_below_are_entered_unless_one_is_wanted
    --skip scan::directory::what_the_kernel_makes_up_is_no_directory_to_search
    --skip scan::files_without_a_length_are_read_to_their_end
    --skip scan::media::holes_are_passed_over_and_needles_at_their_borders_are_not
    --skip streams::names_of_files_cannot_drive_the_terminal
    --skip burn::a_name_is_told_alike_in_each_place_of_a_report
    # A device that is full; what the system says of a folder.
    --skip streams::output_that_cannot_be_written_is_code_2
    --skip streams::a_cause_is_told_once
    # The cache's path, which is wider than the table.
    --skip secrecy::a_scan_of_its_own_needle_file_finds_it_and_does_not_show_it
)
# The programs ln and mkfifo.
test_for_windows -p vmsafe-cli --bins -- \
    --skip scan::directory::tests::what_takes_the_name_of_a_file_meanwhile
test_for_windows -p vmsafe-cli --test cli -- "${not_there[@]}"
test_for_windows -p vmsafe-cli --test windows

step "the interface of 2001, a C program under Wine"
ci/windows/capi.sh

for target in "$windows" x86_64-pc-windows-msvc; do
    step "type check for $target"
    cargo check --target "$target" --workspace --exclude vmsafe-bench
done
# No machine here runs these: what the compiler and its lints see is all that is known of them.
# Where thread-locals are keys of the system's, as on OpenBSD, one lint asks for the const that is
# there.
lints=(-D warnings -A clippy::missing_const_for_thread_local)
for target in aarch64-apple-darwin x86_64-unknown-freebsd x86_64-unknown-openbsd; do
    step "type check and lints for $target"
    cargo clippy --target "$target" --workspace --exclude vmsafe-bench -- "${lints[@]}"
    cargo clippy --target "$target" -p vmsafe-os --all-targets -- "${lints[@]}"
done
