# Packages of Debian, unpacked and never installed, through an apt that has its own lists.
#
# Reads: $root. Gives: unpack DIR PACKAGE/SUITE...   and   available PACKAGE.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror that this machine already uses for an archive (debian, debian-security).
mirror_of() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sort -u |
        sed -n "\\,/$1/\\?\$,{p;q}"
}

apt_options() {
    local state=$root/apt
    options=(
        -q
        -o "Dir::Etc::sourcelist=$state/sources.list"
        -o "Dir::Etc::sourceparts=/dev/null"
        -o "Dir::State::lists=$state/lists"
        -o "Dir::State::status=$state/status"
        -o "Dir::Cache=$state/cache"
        -o APT::Sandbox::User=root
        -o Acquire::Languages=none
        -o Acquire::Retries=3
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
    )
}

refresh_lists() {
    apt_options
    [ -e "$root/done/lists" ] && return
    local state=$root/apt archive security
    archive=$(mirror_of debian)
    security=$(mirror_of debian-security)
    if [ -z "$archive" ] || [ -z "$security" ]; then
        echo "this machine knows no Debian mirror: run apt-get update on Debian 12 first" >&2
        return 1
    fi
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
    : > "$state/status"
    {
        echo "deb [signed-by=$keyring] $security bookworm-security main"
        for suite in bookworm trixie trixie-backports; do
            echo "deb [signed-by=$keyring] $archive $suite main"
        done
    } > "$state/sources.list"
    apt-get "${options[@]}" update > "$state/update.log" 2>&1 || {
        cat "$state/update.log" >&2
        return 1
    }
    finished lists
}

available() {
    refresh_lists
    apt-cache "${options[@]}" madison "$1" | awk '{ print $3 }'
}

unpack() {
    local into=$root/$1 package fresh
    shift
    refresh_lists
    mkdir -p "$into"
    fresh=$(mktemp -d "$root/deb.XXXXXX")
    for package in "$@"; do
        (cd "$fresh" && apt-get "${options[@]}" download "$package" > log 2>&1) || {
            cat "$fresh/log" >&2
            return 1
        }
        dpkg-deb --fsys-tarfile "$fresh"/*.deb | tar -x -C "$into" --no-wildcards-match-slash \
            --exclude './usr/share/doc' --exclude './usr/share/man' \
            --exclude './usr/share/locale' --exclude './usr/lib/*/wine/i386-windows' \
            --exclude './usr/src/*/compiler' --exclude './usr/src/*/src' \
            --exclude './usr/src/*/tests'
        rm "$fresh"/*.deb
    done
    rm -r "$fresh"
}
