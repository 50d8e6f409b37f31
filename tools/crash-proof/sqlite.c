// SQLite, one transaction a record, with memory-mapped reads. Modes: "wal" and "rollback", with synchronous=FULL; "extra": rollback with
// synchronous=EXTRA, which also synchronises the directory when the journal is deleted. PATH is the directory. `check PATH sound` asks for
// soundness alone, not for what had been told.
#include <sqlite3.h>
#include <unistd.h>

#include "proof.h"

static sqlite3* open_database(const char* directory) {
  char path[4096];
  snprintf(path, sizeof path, "%s/x.db", directory);
  sqlite3* db = NULL;
  return sqlite3_open(path, &db) == SQLITE_OK ? db : NULL;
}

static int run(sqlite3* db, const char* sql) {
  char* error = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &error) == SQLITE_OK) return 0;
  return broken(sql, error != NULL ? error : "failed");
}

static int write_all(const char* directory, int n, const char* mode) {
  sqlite3* db = open_database(directory);
  if (db == NULL) return broken(directory, "cannot open");
  if (run(db, strcmp(mode, "wal") == 0 ? "pragma journal_mode=wal" : "pragma journal_mode=delete") != 0) return 1;
  if (run(db, strcmp(mode, "extra") == 0 ? "pragma synchronous=extra" : "pragma synchronous=full") != 0) return 1;
  if (run(db, "pragma mmap_size=1048576; pragma wal_autocheckpoint=8; create table t(i integer primary key, b blob)") != 0)
    return 1;
  sqlite3_stmt* insert;
  if (sqlite3_prepare_v2(db, "insert into t values(?, ?)", -1, &insert, NULL) != SQLITE_OK) return broken("prepare", sqlite3_errmsg(db));
  for (int i = 1; i <= n; ++i) {
    char bytes[RECORD];
    make_record(i, bytes);
    sqlite3_bind_int(insert, 1, i);
    sqlite3_bind_blob(insert, 2, bytes, RECORD, SQLITE_STATIC);
    if (sqlite3_step(insert) != SQLITE_DONE || sqlite3_reset(insert) != SQLITE_OK) return broken("insert", sqlite3_errmsg(db));
    tell(i);
  }
  sqlite3_finalize(insert);
  return sqlite3_close(db);
}

static int check(const char* directory, int wants_told) {
  sqlite3* db = open_database(directory);
  if (db == NULL) return broken(directory, "cannot open");
  sqlite3_stmt* query;
  if (sqlite3_prepare_v2(db, "pragma integrity_check", -1, &query, NULL) != SQLITE_OK || sqlite3_step(query) != SQLITE_ROW)
    return broken("integrity_check", sqlite3_errmsg(db));
  const char* text = (const char*)sqlite3_column_text(query, 0);
  if (text == NULL || strcmp(text, "ok") != 0) return broken("integrity_check", text != NULL ? text : "nothing");
  sqlite3_finalize(query);
  int found = 0;
  if (sqlite3_prepare_v2(db, "select i, b from t order by i", -1, &query, NULL) != SQLITE_OK) return told() == 0 || !wants_told ? 0 : lost(0);
  while (sqlite3_step(query) == SQLITE_ROW)
    if (sqlite3_column_int(query, 0) != ++found || !is_record(found, sqlite3_column_blob(query, 1), (size_t)sqlite3_column_bytes(query, 1)))
      return broken("record", "wrong");
  return wants_told && found < told() ? lost(found) : 0;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  return strcmp(argv[1], "check") == 0 ? check(argv[2], argc < 4 || strcmp(argv[3], "sound") != 0) : write_all(argv[2], atoi(argv[3]), argc > 4 ? argv[4] : "rollback");
}
