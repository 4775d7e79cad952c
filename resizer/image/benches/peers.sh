#!/bin/sh
# Puts the peers of `cargo bench-images` where it looks for them: peers.sh [sharp] [oximg] [imgproxy]; all, if none is named.
# What is there already stays. sharp needs node and npm; oximg cargo, a C++ compiler, cmake and nasm; imgproxy Go, a C
# compiler, pkg-config and libvips with its headers (Debian: g++ cmake nasm pkg-config libvips-dev).
set -u
here=$(cd "$(dirname "$0")" && pwd)
to=${SAFELIGHT_BENCH:-$HOME/.cache/safelight-bench}
mkdir -p "$to/bin"

sharp() {
    [ -d "$to/node_modules/sharp" ] || npm install --no-audit --no-fund --prefix "$to" sharp@0.35
}

oximg() {
    [ -x "$to/bin/oximg" ] && return
    cargo build --locked --release --manifest-path "$here/peers/oximg/Cargo.toml" --target-dir "$to/oximg-target" &&
        cp "$to/oximg-target/release/safelight-bench-oximg" "$to/bin/oximg"
}

# Of a source tree of github.com/imgproxy/imgproxy (4.x) if IMGPROXY_SOURCE names one, else by Go's module proxy.
imgproxy() {
    [ -x "$to/bin/imgproxy" ] && return
    if [ -n "${IMGPROXY_SOURCE:-}" ]; then
        (cd "$IMGPROXY_SOURCE" && go build -buildvcs=false -o "$to/bin/imgproxy" ./cli)
    else
        GOBIN="$to/go-bin" go install github.com/imgproxy/imgproxy/v4/cli@latest &&
            cp "$to/go-bin/cli" "$to/bin/imgproxy"
    fi
}

[ $# -gt 0 ] || set -- sharp oximg imgproxy
failed=
for peer in "$@"; do
    case $peer in
        sharp | oximg | imgproxy) "$peer" || failed="$failed $peer" ;;
        *) echo "unknown peer $peer" >&2; exit 2 ;;
    esac
done
[ -z "$failed" ] || { echo "not installed:$failed" >&2; exit 1; }
