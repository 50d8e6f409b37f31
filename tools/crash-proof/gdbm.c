// GNU dbm, one record at a time, each followed by gdbm_sync(). PATH is the database.
#include <gdbm.h>
#include <unistd.h>

#include "proof.h"

static int write_all(const char* path, int n) {
  GDBM_FILE db = gdbm_open(path, 512, GDBM_WRCREAT | GDBM_NOLOCK, 0644, NULL);
  if (db == NULL) return broken("open", gdbm_strerror(gdbm_errno));
  for (int i = 1; i <= n; ++i) {
    char bytes[RECORD];
    make_record(i, bytes);
    datum key = {(char*)&i, sizeof i}, value = {bytes, RECORD};
    if (gdbm_store(db, key, value, GDBM_REPLACE) != 0) return broken("store", gdbm_strerror(gdbm_errno));
    gdbm_sync(db);
    tell(i);
  }
  gdbm_close(db);
  return 0;
}

static int check(const char* path) {
  if (access(path, F_OK) != 0) return told() == 0 ? 0 : lost(0);
  GDBM_FILE db = gdbm_open(path, 512, GDBM_READER | GDBM_NOLOCK, 0644, NULL);
  if (db == NULL) return told() == 0 ? 0 : broken("open", gdbm_strerror(gdbm_errno));
  int found = 0;
  for (int i = 1; i <= told() + 1; ++i) {
    datum key = {(char*)&i, sizeof i};
    const datum value = gdbm_fetch(db, key);
    if (value.dptr == NULL) {
      if (gdbm_errno != GDBM_ITEM_NOT_FOUND) return broken("fetch", gdbm_strerror(gdbm_errno));
      break;
    }
    if (!is_record(i, value.dptr, (size_t)value.dsize)) return broken("record", "wrong");
    free(value.dptr);
    ++found;
  }
  return found < told() ? lost(found) : 0;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  return strcmp(argv[1], "check") == 0 ? check(argv[2]) : write_all(argv[2], atoi(argv[3]));
}
