#!/bin/sh
# libFuzzer and AddressSanitizer on the stable toolchain, as cargo-fuzz has them: `stable.sh TARGET [libFuzzer's arguments]`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$1
shift
RUSTC_BOOTSTRAP=1 RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Ccodegen-units=1 -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --quiet --release --manifest-path "$here/Cargo.toml" --target-dir "$here/target" \
    --target "$(rustc -vV | sed -n 's/^host: //p')" --bin "$target"
exec "$here/target/$(rustc -vV | sed -n 's/^host: //p')/release/$target" "$@"
