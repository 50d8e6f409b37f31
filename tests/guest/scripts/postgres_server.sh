# PostgreSQL: a cluster made, started, loaded and stopped as another user: shared memory, fork per connection, checkpoints.
bin=$(echo /usr/lib/postgresql/*/bin | awk '{print $NF}')
[ -x "$bin/initdb" ] || { echo "postgresql is not installed"; exit 77; }
[ "$(id -u)" = 0 ] || { echo "needs root, to become the user postgres"; exit 77; }
set -eu
here=$(mktemp -d /tmp/pagefold-pg.XXXXXX)
finish() { [ ! -f data/postmaster.pid ] || as pg_ctl -D "$here/data" -m immediate stop > /dev/null 2>&1; rm -rf "$here"; }
trap finish EXIT
chown postgres "$here"
cd "$here"
as() { setpriv --reuid=postgres --regid=postgres --init-groups env -i PATH="$bin:/usr/bin:/bin" LC_ALL=C PGHOST="$here" "$@"; }
as initdb -D "$here/data" -A trust --no-sync > /dev/null
as pg_ctl -D "$here/data" -o "-k $here -c listen_addresses= -c fsync=off -c shared_buffers=32MB" -l "$here/log" -w start > /dev/null
as createdb b
as psql -qAt b << 'END'
create table t as select n as id, n * 7 % 1000 as value, repeat(md5(n::text), 4) as text from generate_series(1, 20000) n;
create index on t(value);
select count(*), sum(value), min(text) from t;
set max_parallel_workers_per_gather = 2;
set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;
select count(distinct text), sum(length(text)) from t where value % 2 = 0;
update t set value = value + 1 where id % 3 = 0;
vacuum analyze t;
checkpoint;
END
for i in 1 2 3 4; do
  as psql -qAt b -c "insert into t select 100000 * $i + n, $i, 'client $i' from generate_series(1, 500) n" &
done
wait
as psql -qAt b -c "select value, count(*) from t where text like 'client%' group by value order by value"
as pg_ctl -D "$here/data" -m fast -w stop > /dev/null
grep -c 'database system is shut down' log
as pg_ctl -D "$here/data" -o "-k $here -c listen_addresses=" -l "$here/log" -w start > /dev/null
as psql -qAt b -c "select sum(value) from t"
as pg_ctl -D "$here/data" -m immediate -w stop > /dev/null
as pg_resetwal --dry-run "$here/data" > /dev/null && echo "left in order"
as postgres --single -D "$here/data" b < /dev/null > /dev/null 2>&1 && echo "recovered"
