// LMDB, one transaction a record; mode "writemap" stores through the map (MDB_WRITEMAP). PATH is the data file.
#include <lmdb.h>
#include <unistd.h>

#include "proof.h"

#define MUST(call)                                              \
  do {                                                          \
    const int error = (call);                                   \
    if (error != 0) return broken(#call, mdb_strerror(error));  \
  } while (0)

static int write_all(const char* path, int n, unsigned flags) {
  MDB_env* env;
  MUST(mdb_env_create(&env));
  MUST(mdb_env_set_mapsize(env, 1 << 20));
  MUST(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK | flags, 0644));
  for (int i = 1; i <= n; ++i) {
    char bytes[RECORD];
    make_record(i, bytes);
    MDB_txn* txn;
    MDB_dbi dbi;
    MDB_val key = {sizeof i, &i}, value = {RECORD, bytes};
    MUST(mdb_txn_begin(env, NULL, 0, &txn));
    MUST(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &dbi));
    MUST(mdb_put(txn, dbi, &key, &value, 0));
    MUST(mdb_txn_commit(txn));
    tell(i);
  }
  mdb_env_close(env);
  return 0;
}

static int check(const char* path) {
  if (access(path, F_OK) != 0) return told() == 0 ? 0 : lost(0);
  MDB_env* env;
  MDB_txn* txn;
  MDB_dbi dbi;
  MDB_cursor* cursor;
  MUST(mdb_env_create(&env));
  const int opened = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0644);
  if (opened != 0) return told() == 0 ? 0 : broken("open", mdb_strerror(opened));
  MUST(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn));
  const int named = mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &dbi);
  int found = 0;
  if (named == 0) {
    MDB_val key, value;
    MUST(mdb_cursor_open(txn, dbi, &cursor));
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
      int i;
      memcpy(&i, key.mv_data, sizeof i);
      if (i != ++found || !is_record(i, value.mv_data, value.mv_size)) return broken("record", "wrong");
    }
  }
  return found < told() ? lost(found) : 0;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  if (strcmp(argv[1], "check") == 0) return check(argv[2]);
  return write_all(argv[2], atoi(argv[3]), argc > 4 && strcmp(argv[4], "writemap") == 0 ? MDB_WRITEMAP : 0);
}
