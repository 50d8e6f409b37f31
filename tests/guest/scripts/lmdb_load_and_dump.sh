# LMDB: a database that is mapped and written with pwrite and fdatasync, loaded, read through the map, and read by two at once.
command -v mdb_load > /dev/null || { echo "lmdb-utils is not installed"; exit 77; }
set -eu
mkdir db
{
  printf 'VERSION=3\nformat=print\ntype=btree\nmapsize=268435456\nHEADER=END\n'
  awk 'BEGIN { for (i = 0; i < 40000; ++i) { printf " key%07d\n value-%d-", (i * 7919) % 40000, i; for (j = 0; j < 20; ++j) printf "%08x", i * j; print "" } }'
  echo DATA=END
} | mdb_load db
mdb_stat db | grep -v 'Page size'
mdb_dump -p db | sha256sum
mdb_dump db | sha256sum & mdb_dump db | sha256sum; wait
