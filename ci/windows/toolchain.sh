#!/bin/bash
# Builds what the Windows tests and the type checks for other systems need, from Debian packages and
# the compiler that is installed, into one folder that a CI can cache. Does again only what is not
# done. Afterwards:  . FOLDER/env.sh
#
#   ci/windows/toolchain.sh [FOLDER]     default: $VMSAFE_WINDOWS_TOOLCHAIN, else
#                                        vmsafe/windows-toolchain below the user's cache
#   ci/windows/toolchain.sh --folder     says which folder that is, and does nothing
#
# Needs: Debian 12 amd64 and its mirror, rustup's compiler. From nothing: about ten minutes on two
# cores and 1.7 GB; then it is done in a second.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vmsafe
root=$(readlink -m "${VMSAFE_WINDOWS_TOOLCHAIN:-$cache/windows-toolchain}")
case ${1:-} in
--folder)
    printf '%s\n' "$root"
    exit
    ;;
?*) root=$(readlink -m "$1") ;;
esac
windows=x86_64-pc-windows-gnu
checked='x86_64-pc-windows-msvc aarch64-apple-darwin x86_64-unknown-freebsd x86_64-unknown-openbsd'

# What a caller has set for its own builds must not leak into these.
unset RUSTC RUSTFLAGS RUSTDOCFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET LD_LIBRARY_PATH
unset DISPLAY WAYLAND_DISPLAY

step() { printf '[%4ss] %s\n' "$SECONDS" "$*"; }
finished() { : > "$root/done/$1"; }

. "$here/apt.sh"
. "$here/compiler.sh"
. "$here/wine.sh"

write_environment() {
    local gcc=$root/mingw/usr/bin/x86_64-w64-mingw32-gcc-win32
    cat > "$root/env.sh" <<ENVIRONMENT
export RUSTUP_TOOLCHAIN="$root/compiler"
export PATH="$root/mingw/usr/bin:\$PATH"
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER="$gcc"
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER="$root/bin/wine-run"
export CC_x86_64_pc_windows_gnu="$gcc"
export AR_x86_64_pc_windows_gnu="$root/mingw/usr/bin/x86_64-w64-mingw32-ar"
export VMSAFE_WINE="$root/bin/wine-run"
ENVIRONMENT
}

mkdir -p "$root/done"
prepare_compiler
prepare_mingw
write_environment
. "$root/env.sh"
prepare_library "$windows" build
prepare_wine
for target in $checked; do
    prepare_library "$target" check
done
step "done: . $root/env.sh"
