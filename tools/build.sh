#!/bin/sh
# build.sh PRESET [TARGET...]: configures a CMake preset when needed and builds it; the log is shown only on failure to configure.
set -eu
cd "$(dirname "$0")/.."
preset=$1
shift

if [ ! -f "build/$preset/build.ninja" ]; then
  mkdir -p build
  cmake --preset "$preset" >"build/configure-$preset.log" 2>&1 || { cat "build/configure-$preset.log" >&2; exit 1; }
fi
if [ $# -gt 0 ]; then
  cmake --build --preset "$preset" --parallel "${JOBS:-$(nproc)}" --target "$@"
else
  cmake --build --preset "$preset" --parallel "${JOBS:-$(nproc)}"
fi
[ "$preset" != release ] || ln -sfn build/release/compile_commands.json compile_commands.json
