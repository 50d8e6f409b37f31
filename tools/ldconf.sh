#!/usr/bin/env bash
# ldconf.sh: the loader's conformance, everything that fits ten minutes: the scenes, damaged files and fuzzing, bindings and memory of
# every dynamic program, and the sweep. Goes on after a failure and says at the end what failed. LDCONF_FUZZ: seconds of fuzzing (60),
# and as many of damaged libraries in the loader itself.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
release=$here/../build/release
loader=$release/ld-pagefold.so
[[ -x $loader ]] || { echo "ldconf: no $loader: make build" >&2; exit 1; }

failed=()
part() {
  local name=$1 began=$SECONDS
  shift
  echo "ldconf: $name"
  "$@" || failed+=("$name")
  echo "ldconf: $name took $((SECONDS - began)) s"
}
fuzz() {
  local fuzzer=$release/tests/fuzz/elf_fuzzer
  [[ -x $fuzzer ]] || { echo "ldconf: skipped: no libFuzzer (clang) on this machine"; return 0; }
  mkdir -p "$here/../build/corpus"
  "$fuzzer" -max_total_time="${LDCONF_FUZZ:-60}" -timeout=5 -max_len=20000 -verbosity=0 -artifact_prefix="$here/../build/" \
    "$here/../build/corpus" "$here/../tests/fuzz/corpus"
}

part "scenes and damaged files" ctest --test-dir "$release" -L 'ld|abi' --parallel "${JOBS:-$(nproc)}" --output-on-failure
part "fuzzing" fuzz
seed=$RANDOM
part "damage, seed $seed" env PAGEFOLD_DAMAGE_SECONDS=$((${LDCONF_FUZZ:-60} / 2)) PAGEFOLD_DAMAGE_SEED=$seed \
  "$release/tests/ld/ld_tests" --gtest_brief=1 --gtest_filter='LoaderRandomDamage.*'
part "bindings" "$release/pagefold_bindings"
part "sweep" "$here/sweep-ld.sh"
part "work" "$here/ld-work.sh"
((${#failed[@]} == 0)) || { printf 'ldconf: failed: %s\n' "${failed[@]}"; exit 1; }
echo "ldconf: all of it passed in $SECONDS s"
