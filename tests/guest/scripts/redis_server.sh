# Redis: threads, a heap of jemalloc's, and snapshots by fork while clients write.
command -v redis-server > /dev/null || { echo "redis-server is not installed"; exit 77; }
set -eu
mkdir data
redis-server --port 0 --unixsocket "$PWD/socket" --save "" --appendonly yes --appendfsync everysec --dir data --daemonize no --logfile "$PWD/log" &
server=$!
cli() { redis-cli -s "$PWD/socket" "$@"; }
for _ in $(seq 100); do [ "$(cli ping 2> /dev/null)" = PONG ] && break; sleep 0.05; done
cli eval "for i = 1, 20000 do redis.call('set', 'key' .. i, string.rep('v', i % 300)) end return redis.call('dbsize')" 0
cli bgsave
for i in $(seq 200); do echo "rpush list $i"; done | cli > /dev/null
cli llen list
for _ in $(seq 200); do cli info persistence | grep -q rdb_bgsave_in_progress:0 && break; sleep 0.05; done
cli info persistence | tr -d '\r' | grep rdb_last_bgsave_status
cli bgrewriteaof
for _ in $(seq 200); do cli info persistence | grep -q aof_rewrite_in_progress:0 && break; sleep 0.05; done
cli info persistence | tr -d '\r' | grep aof_last_bgrewrite_status
cli eval "local n = 0 for i = 1, 20000 do n = n + #redis.call('get', 'key' .. i) end return n" 0
redis-benchmark -s "$PWD/socket" -n 2000 -c 10 -q -t set,get > /dev/null && echo "benchmark done"
cli shutdown nosave || true
wait $server && echo "server ended in order"
redis-check-rdb data/dump.rdb | grep -o 'Checksum OK'
