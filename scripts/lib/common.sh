# Functions that the scripts share: where the project is, what is installed, building. Sourced, never run. Everything that
# is said goes to standard error, so that standard output carries only what the program itself prints.

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
binary="$project/.build/release/spork"

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# Installs those of the Debian packages named that are missing.
need_packages() {
    local missing=() package
    for package in "$@"; do
        if [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" != 'install ok installed' ]; then
            missing+=("$package")
        fi
    done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || fail "these Debian packages are needed, and apt-get is not here to install them: ${missing[*]}"
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "please install as root: apt-get install ${missing[*]}"
        root=(sudo)
    fi
    say "installing ${missing[*]}"
    "${root[@]}" apt-get update -qq >&2
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

need_swift() {
    command -v swift >/dev/null ||
        fail "Swift is not installed, or not on PATH. Spork needs Swift 6.2 or later: see https://www.swift.org/install"
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | head -n 1)
    local major=${version% *} minor=${version#* }
    if [ -n "$version" ] && { [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 2 ]; }; }; then
        fail "Spork needs Swift 6.2 or later, and this is $major.$minor: see https://www.swift.org/install"
    fi
}

# What a build needs beside Swift.
need_build_packages() { need_packages libev-dev libc-ares-dev libssl-dev libc6-dev libstdc++-12-dev git; }

# A name for the state of everything that the binary is made of.
fingerprint() {
    (
        cd "$project"
        find Package.swift Sources Tests/LoopProbe Tests/MasterProbe -type f -printf '%p %s %T@\n' | LC_ALL=C sort
        swift --version 2>/dev/null
    ) | sha256sum | cut -d ' ' -f 1
}

# Builds products as releases, unless they are newer than everything they are made of: build_release [PRODUCT…]
build_release() {
    need_swift
    local stamp="$project/.build/release.stamp" now product
    now=$(fingerprint)
    if [ "$(cat "$stamp" 2>/dev/null)" != "$now" ]; then rm -f "$stamp"; fi
    for product in spork "$@"; do
        if [ -f "$stamp" ] && [ -x "$project/.build/release/$product" ]; then continue; fi
        need_build_packages
        say "building $product (the first time takes a minute or two)"
        (cd "$project" && swift build -c release --product "$product" --static-swift-stdlib >&2)
    done
    printf '%s\n' "$now" >"$stamp"
}

# The products of the examples, as Package.swift lists them.
examples() { sed -n '/^let examples/,/^]/s/^ *"\([^"]*\)": *"[^"]*",$/\1/p' "$project/Package.swift"; }
