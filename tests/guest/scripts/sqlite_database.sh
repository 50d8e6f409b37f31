# sqlite3: a database in a file, in WAL mode, with memory mapping, from two processes.
command -v sqlite3 > /dev/null || { echo "sqlite3 is not installed"; exit 77; }
set -eu
sqlite3 db "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value REAL); CREATE INDEX i ON t(name);
WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20000) INSERT INTO t SELECT x, 'name' || (x % 1000), x * 0.5 FROM n;"
sqlite3 db "SELECT count(*), sum(value), max(name) FROM t; SELECT name, count(*) FROM t GROUP BY name ORDER BY 2 DESC, 1 LIMIT 3;"
sqlite3 db "PRAGMA journal_mode=WAL; PRAGMA mmap_size=268435456; UPDATE t SET value = value + 1 WHERE id % 3 = 0; SELECT sum(value) FROM t;"
sqlite3 db "PRAGMA mmap_size=268435456; SELECT sum(length(name)) FROM t; PRAGMA integrity_check;"
for i in 1 2 3 4; do sqlite3 -cmd '.timeout 8000' db "INSERT INTO t(name, value) SELECT 'process $i', id FROM t LIMIT 500;" & done; wait
sqlite3 db "SELECT name, count(*), sum(value) FROM t WHERE name LIKE 'process%' GROUP BY name;"
sqlite3 db "BEGIN; DELETE FROM t WHERE id > 100; ROLLBACK; SELECT count(*) FROM t; DELETE FROM t WHERE id > 100; VACUUM; PRAGMA page_count;"
sqlite3 db .dump | sha256sum
sqlite3 :memory: "CREATE TABLE m AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000) SELECT x, hex(x) h FROM n; SELECT count(DISTINCT h) FROM m;"
sqlite3 db "SELECT nothing FROM nowhere" 2>&1 || echo "sqlite3 said $?"
