#!/bin/sh
# test.sh [CTEST-OPTION...]: everything `make test` does. Two builds, one ctest run over both: the release build with all its tests,
# and the debug build (AddressSanitizer, UndefinedBehaviorSanitizer, invariant checks) with the unit and model tests, whose
# names begin with "debug/". A test that fails is tried once more: guest tests depend on the load of the machine (time-outs), and
# what fails only sometimes is listed by ctest all the same.
set -eu
cd "$(dirname "$0")/.."
tools/install-packages.sh build test
tools/build.sh release
tools/build.sh debug

printf 'subdirs("release" "debug")\n' >build/CTestTestfile.cmake
exec ctest --test-dir build --repeat until-pass:2 --parallel "${JOBS:-$(nproc)}" --output-on-failure "$@"
