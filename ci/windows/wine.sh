# MinGW and Wine. Wine is Debian 13's, with the C library that it was built for, so that it runs on
# Debian 12 beside everything else.

prepare_mingw() {
    [ -e "$root/done/mingw" ] && return
    step "mingw-w64"
    unpack mingw {binutils-mingw-w64-x86-64,mingw-w64-common,mingw-w64-x86-64-dev}/bookworm \
        gcc-mingw-w64-x86-64-win32{,-runtime}/bookworm
    ln -sf x86_64-w64-mingw32-gcc-win32 "$root/mingw/usr/bin/x86_64-w64-mingw32-gcc"
    finished mingw
}

prepare_wine() {
    [ -e "$root/done/wine" ] && return
    step "wine"
    local wine=$root/wine own
    rm -rf "$wine" "$root/prefix"
    unpack wine {libwine,wine64,libz-mingw-w64,libc6,libgcc-s1,libunwind8,liblzma5}/trixie
    unpack tools patchelf/bookworm
    for own in wine64 wineserver64; do
        "$root/tools/usr/bin/patchelf" --force-rpath \
            --set-interpreter "$wine/usr/lib64/ld-linux-x86-64.so.2" \
            --set-rpath "$wine/usr/lib/x86_64-linux-gnu" "$wine/usr/lib/wine/$own"
    done
    # Wine looks for its data where Debian's links would lead if it were installed.
    ln -sfn . "$wine/usr/share/wine/wine"
    printf '#!/bin/sh\nexec "%s" "$@"\n' "$wine/usr/lib/wine/wineserver64" \
        > "$wine/usr/lib/wine/wineserver"
    chmod +x "$wine/usr/lib/wine/wineserver"
    adopt_zlib "$wine"
    write_runner
    start_prefix
    finished wine
}

# user32 imports zlib1.dll, which Wine loads from its own folder only with its mark in the DOS
# header.
adopt_zlib() {
    local dll=$1/usr/lib/x86_64-linux-gnu/wine/x86_64-windows/zlib1.dll
    cp "$1/usr/x86_64-w64-mingw32/lib/zlib1.dll" "$dll"
    printf 'Wine builtin DLL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' |
        dd of="$dll" bs=1 seek=64 conv=notrunc status=none
}

# What cargo calls to run a program: no display, no debugger that would hold a crash up.
write_runner() {
    mkdir -p "$root/bin"
    cat > "$root/bin/wine-run" <<RUNNER
#!/bin/sh
unset LD_LIBRARY_PATH DISPLAY WAYLAND_DISPLAY
: "\${WINEPREFIX:=$root/prefix}" "\${WINEDEBUG:=-all}"
: "\${WINEDLLOVERRIDES:=winedbg.exe,winemenubuilder.exe=d;mscoree,mshtml=d}"
export WINEPREFIX WINEDEBUG WINEDLLOVERRIDES
exec "$root/wine/usr/lib/wine/wine64" "\$@"
RUNNER
    chmod +x "$root/bin/wine-run"
}

start_prefix() {
    local prefix=$root/prefix dll copy
    timeout 600 "$root/bin/wine-run" wineboot -i > "$root/wineboot.log" 2>&1 || true
    WINEPREFIX=$prefix timeout 60 "$root/wine/usr/lib/wine/wineserver64" -w || true
    if [ ! -e "$prefix/system.reg" ]; then
        cat "$root/wineboot.log" >&2
        echo "wine made no prefix" >&2
        return 1
    fi
    # The prefix holds a copy of every library: links instead save 0.7 GB.
    for dll in "$root"/wine/usr/lib/x86_64-linux-gnu/wine/x86_64-windows/*; do
        copy=$prefix/drive_c/windows/system32/${dll##*/}
        if [ -f "$copy" ] && cmp -s "$dll" "$copy"; then
            ln -f "$dll" "$copy"
        fi
    done
}
