// Tkrzw's HashDBM, one record at a time; mode "sync" makes each durable (Synchronize(true), what --sync_hard does), "nosync" does not. PATH
// is the database. Opening a database that was not closed restores it.
#include <tkrzw_dbm_hash.h>
#include <unistd.h>

#include "proof.h"

namespace {

std::string key_of(int i) { return std::to_string(i); }

int fail(const char* what, const tkrzw::Status& status) { return broken(what, tkrzw::ToString(status).c_str()); }

int write_all(const char* path, int n, bool synchronises) {
  tkrzw::HashDBM db;
  tkrzw::HashDBM::TuningParameters parameters;
  parameters.num_buckets = 100;
  if (const auto status = db.OpenAdvanced(path, true, tkrzw::File::OPEN_DEFAULT, parameters); status != tkrzw::Status::SUCCESS) return fail("open", status);
  for (int i = 1; i <= n; ++i) {
    char bytes[RECORD];
    make_record(i, bytes);
    if (const auto status = db.Set(key_of(i), std::string_view(bytes, RECORD)); status != tkrzw::Status::SUCCESS) return fail("set", status);
    if (synchronises)
      if (const auto status = db.Synchronize(true); status != tkrzw::Status::SUCCESS) return fail("synchronize", status);
    tell(i);
  }
  return db.Close() == tkrzw::Status::SUCCESS ? 0 : 1;
}

int check(const char* path) {
  if (access(path, F_OK) != 0) return told() == 0 ? 0 : lost(0);
  tkrzw::HashDBM db;
  if (const auto status = db.Open(path, true); status != tkrzw::Status::SUCCESS) return told() == 0 ? 0 : fail("open", status);
  int found = 0;
  std::string value;
  while (db.Get(key_of(found + 1), &value) == tkrzw::Status::SUCCESS)
    if (!is_record(++found, value.data(), value.size())) return broken("record", "wrong");
  return found < told() ? lost(found) : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  return strcmp(argv[1], "check") == 0 ? check(argv[2]) : write_all(argv[2], atoi(argv[3]), argc > 4 && strcmp(argv[4], "sync") == 0);
}
