# A copy of the machine's own compiler with the sources of its standard library, so that the library
# can be built for targets that nobody downloaded.

# Hard links cost no space. The copy is a folder of its own: nothing is added to the original.
prepare_compiler() {
    local version sources copy=$root/compiler
    if [ -e "$root/done/compiler" ]; then
        [ "$("$copy/bin/rustc" --version)" = "$(rustc --version)" ] && return
        rm -f "$root"/done/compiler "$root"/done/library-*
    fi
    version=$(rustc --version | awk '{ print $2 }')
    sources=$(available rust-src | awk -v v="$version" 'index($0, v "+") == 1 { print; exit }')
    if [ -z "$sources" ]; then
        echo "Debian has no rust-src $version; install a compiler that it has sources for" >&2
        return 1
    fi
    step "the compiler, with rust-src $sources"
    rm -rf "$copy" "$root/sources"
    cp -al "$(rustc --print sysroot)" "$copy" 2> "$root/link.log" ||
        { rm -rf "$copy" && cp -a "$(rustc --print sysroot)" "$copy"; }
    unpack sources "rust-src=$sources"
    mkdir -p "$copy/lib/rustlib/src/rust"
    mv "$root"/sources/usr/src/rustc-*/library "$copy/lib/rustlib/src/rust/"
    rm -rf "$root/sources"
    finished compiler
}

# Builds the standard library for $1 and puts it where the compiler looks. With "check" as $2 only
# what type checks need: no code.
prepare_library() {
    local target=$1 verb=$2 kind=rlib flags='' crate=$root/library
    [ -e "$root/done/library-$target" ] && return
    step "the standard library for $target"
    if [ "$verb" = check ]; then
        kind=rmeta
        flags=-Zno-codegen
    fi
    mkdir -p "$crate/src"
    echo '#![no_std]' > "$crate/src/lib.rs"
    printf '%s\n' '[package]' 'name = "nothing"' 'version = "0.0.0"' 'edition = "2024"' \
        '[profile.release]' 'debug = 0' '[workspace]' > "$crate/Cargo.toml"
    local parts=core,alloc,std,proc_macro,test,panic_abort,panic_unwind
    (cd "$crate" && RUSTFLAGS=$flags RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$crate/target \
        cargo "$verb" -q --release --target "$target" "-Zbuild-std=$parts")
    local to=$root/compiler/lib/rustlib/$target/lib file
    rm -rf "$to"
    mkdir -p "$to"
    for file in "$crate/target/$target/release/deps"/lib*."$kind"; do
        case $file in
        */libnothing-*) ;;
        *) cp "$file" "$to/" ;;
        esac
    done
    rm -rf "$crate/target/$target"
    finished "library-$target"
}
