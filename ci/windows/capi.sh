#!/bin/bash
# The C program of crates/vmsafe-capi, built by MinGW against win32vmsafe.dll and run under Wine:
# what its file and a second opener see. Wants the tool chain's env.sh and CARGO_TARGET_DIR.
#
# The files are looked at, and flushed, from Linux, where Wine's sharing does not bind. What a flush
# does to the tail is Linux's page cache: ext4 drops it, tmpfs keeps it. NTFS is not shown here.
set -euo pipefail
cd "$(dirname "$0")/../../crates/vmsafe-capi"

target=x86_64-pc-windows-gnu
cargo test --target "$target" -p vmsafe-capi --lib
cargo build --target "$target" -p vmsafe-capi
built=$CARGO_TARGET_DIR/$target/debug
work=$(mktemp -d "$CARGO_TARGET_DIR/capi.XXXXXX")
memory=$(mktemp -d /dev/shm/vmsafe-capi.XXXXXX)
trap 'rm -rf "$work" "$memory"' EXIT

fail() { echo "capi under Wine: $*" >&2; exit 1; }

# What the module definition lists is what the DLL exports, no more and no less; a test of the crate
# compares it with the header.
exported=$(x86_64-w64-mingw32-objdump -p "$built/win32vmsafe.dll" |
    sed -n '/\[Ordinal\/Name Pointer\] Table/,/^$/p' | awk '/\[ *[0-9]+\]/ { print $NF }' | sort)
defined=$(grep -o 'win32vmSafe[A-Za-z0-9]*' win32vmsafe.def | sort)
[ "$exported" = "$defined" ] || fail "the DLL exports $exported"

x86_64-w64-mingw32-dlltool -d win32vmsafe.def -l "$work/libwin32vmsafe.a"
x86_64-w64-mingw32-gcc -std=c99 -Wall -Wextra -pedantic -Werror -I include \
    tests/c/program.c -o "$work/program.exe" -L "$work" -lwin32vmsafe
cp "$built/win32vmsafe.dll" "$work"

word() { tr -d - < /proc/sys/kernel/random/uuid; }

# start FILE MAPSIZE [as2001]: sets head and key, and the program's ends.
start() {
    file=$1
    head=$(word)$(word)
    key=$(word)$(word)
    local pipe
    pipe=$(mktemp -u "$work/pipe.XXXXXX")
    mkfifo "$pipe.to" "$pipe.from"
    "$VMSAFE_WINE" "$work/program.exe" "Z:${file//\//\\}" "${@:2}" < "$pipe.to" > "$pipe.from" &
    program=$!
    exec {to}> "$pipe.to" {from}< "$pipe.from"
    tell "$head"
    tell "$key"
}
tell() { echo "$1" >&"$to"; }
# expect LINE: what the program says next, by pattern.
expect() {
    local line
    read -r -t 60 line <&"$from" || fail "nothing came where '$1' was expected"
    line=${line%$'\r'}
    # shellcheck disable=SC2053
    [[ $line == $1 ]] || fail "said '$line', not '$1'"
}
ask() { tell "$1"; expect "$2"; }
head_is_there() { grep -qF "$head" "$file" || fail "the control: no head in $file"; }
key_is_not() { ! grep -qF "${key:0:16}" "$file" || fail "the key is in $file"; }
# end CODE: it hears nothing more, and ends with this.
end() {
    local code=0
    exec {to}>&-
    wait "$program" || code=$?
    [ "$code" = "$1" ] || fail "it ended with $code, not $1"
    exec {from}<&-
}

# On a disk a flush takes the tail, and the program is told; a second opener is refused.
start "$work/key.tmp" 512
expect "stored 1"
head_is_there
key_is_not
[ "$(stat -c %s "$file")" = 512 ] || fail "the file is not 512 bytes long"
ask ask "lost 0 key whole"
ask second "second refused"
sync "$file"
head_is_there
key_is_not
case $(stat -f -c %T "$work") in
    ext2/ext3 | xfs | btrfs) ask ask "lost 1 key gone" ;;
    *) fail "$work must lie on ext4, xfs or btrfs, to show a loss" ;;
esac
ask again "stored again"
ask ask "lost 0 key whole"
ask burn "burned [01] zero"
! grep -qF "$head" "$file" || fail "the head is there after a burn"
ask free "freed [01]"
[ ! -e "$file" ] || fail "the file is there after Free"
tell on
expect "stored 2"
[ -e "$file" ] || fail "no file in the second round"
ask free "freed [01]"
[ ! -e "$file" ] || fail "the file is there after the second Free"
end 0

# In memory a flush changes nothing; and who comes second is refused by name.
start "$memory/key.tmp" 512 as2001
expect "stored 1"
sync "$file"
ask ask "lost 0 key whole"
head_is_there
key_is_not
refused=$(timeout 60 "$VMSAFE_WINE" "$work/program.exe" "Z:${file//\//\\}" 512 <<< "$head
$key") && fail "a second Init got the file"
[[ $refused == "refused 3 "*"no file is ever taken over"* ]] || fail "refused by '$refused'"
ask ask "lost 0 key whole"
ask free "freed [01]"
end 0

# Whole pages are the file's, until they are burned.
start "$work/pages.tmp" 8192
expect "stored 1"
sync "$file"
head_is_there
grep -qF "$key" "$file" || fail "whole pages did not reach their file"
ask ask "lost 0 key whole"
ask free "freed [01]"
[ ! -e "$file" ] || fail "the pages' file is there after Free"
end 0

start "$work/key.tmp" 513
expect "refused 1 *neither 512*"
end 1
echo "the interface of 2001 holds under Wine"
