#!/bin/bash
# compare-policies.sh [ROUNDS]: what each policy makes of the same programs under `pagefold run --mem`, as a table of counts: pages that were
# evicted and then needed again, and faults that had to read the swap or a file; the medians of ROUNDS (3) runs, in thousands. Last,
# over all rows, how many times the fewest pages each policy has, as a geometric mean. Nothing here is a time. What is read in one
# fault depends on how the program and the evictor get on with each other, so faults vary more from run to run than pages.
set -eu
rounds=${1:-3}
root=$(cd "$(dirname "$0")/.." && pwd)
pagefold=${PAGEFOLD:-$root/build/release/pagefold}
touch_pattern=$root/build/release/bench/programs/touch_pattern
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
policies=(clock lru s3fifo random)

# Of the report: "pages faults".
counts() {
  python3 - "$1" <<'PY'
import json, sys
report = json.load(open(sys.argv[1]))
faults = report["faults"]
print(sum(report["pressure"]["refaulted_pages"].values()), faults["swap_in"]["count"] + faults["file_cold"]["count"])
PY
}

# row NAME LIMIT PREPARE COMMAND...: PREPARE is run before each round, outside.
row() {
  local name=$1 limit=$2 prepare=$3
  shift 3
  for policy in "${policies[@]}"; do
    for ((round = 0; round < rounds; ++round)); do
      eval "$prepare"
      "$pagefold" run -q --mem "$limit" --policy "$policy" --json story.json -- "$@" >output 2>&1 || { cat output >&2; exit 1; }
      echo "$name in $limit|$policy|$(counts story.json)" >>results
    done
  done
}

for pattern in passes:49152 random:60000 zipf:200000 scan:250000; do
  row "${pattern%:*}" 48M : "$touch_pattern" "${pattern%:*}" 96 "${pattern#*:}"
done

# An index larger than the frames, then lookups of which most go to a few keys.
cat >index.sql <<'SQL'
create table t(key text, value integer);
insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000)
  select printf('%016x', i * 2654435761 % 4294967296), i from n;
create index by_key on t(key);
select sum(t.value) from (with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000)
  select 1 + (i * 40503 % 65536) * (i * 40503 % 65536) * 300000 / 4294967296 as k from n) join t on t.key = printf('%016x', k * 2654435761 % 4294967296);
SQL
row "sqlite3, an index" 16M : sqlite3 :memory: ".read index.sql"

awk 'BEGIN { for (i = 1; i <= 400000; ++i) printf "%010d %s\n", (i * 2654435761) % 4294967296, "some words that make the line longer" }' >lines
row "sort" 32M : sort -S 64M --parallel=1 -o sorted lines

git clone -q --bare "$root" repository
row "git gc" 16M "rm -rf copy && cp -r repository copy && git -C copy unpack-objects -q <\$(ls repository/objects/pack/*.pack) 2>/dev/null" \
  git -C copy -c gc.auto=0 -c pack.threads=1 gc -q --aggressive

python3 - <<'PY'
import math, statistics
rows, policies = {}, []
for line in open("results"):
    row, policy, numbers = line.strip().split("|")
    rows.setdefault(row, {}).setdefault(policy, []).append([int(n) for n in numbers.split()])
    policies += [policy] if policy not in policies else []
median = lambda runs, which: statistics.median(run[which] for run in runs)
print("| pages again, faults (thousands) | " + " | ".join(policies) + " |\n|" + "---|" * (1 + len(policies)))
times = {policy: [] for policy in policies}
for row, of in rows.items():
    cells = []
    least = min(median(of[policy], 0) for policy in policies)
    for policy in policies:
        pages, faults = median(of[policy], 0), median(of[policy], 1)
        times[policy].append(math.log(max(pages, 1) / max(least, 1)))
        cells.append(f"{pages / 1000:.1f}, {faults / 1000:.1f}")
    print(f"| {row} | " + " | ".join(cells) + " |")
print("| pages, times the fewest | " + " | ".join(f"{math.exp(statistics.mean(times[p])):.2f}" for p in policies) + " |")
PY
