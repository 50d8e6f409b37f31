// What real programs say when a disk fails or is full, and what they leave behind.
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "failing.h"

namespace pagefold::guest_test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class FailingProgram : public Failing {
 protected:
  void write(const std::string& name, std::size_t size) { std::ofstream(path(name)) << std::string(size, 'd'); }
};

TEST_F(FailingProgram, CatAndCpTellAReadError) {
  std::ofstream(path("data")) << std::string(50'000, 'd');
  const RunResult cat = run_with({"read:path=*/data:page=7:eio"}, {"/bin/cat", "data"});
  EXPECT_EQ(cat.status, 1);
  EXPECT_EQ(cat.out, std::string(7 * 4096, 'd'));
  EXPECT_THAT(cat.err, HasSubstr("data: Input/output error"));
  const RunResult cp = run_with({"read:path=*/data:page=7:eio"}, {"/bin/cp", "data", "copy"});
  EXPECT_EQ(cp.status, 1);
  EXPECT_THAT(cp.err, HasSubstr("error copying 'data' to 'copy': Input/output error"));
  EXPECT_EQ(content("copy").size(), 7U * 4096);
}

TEST_F(FailingProgram, DdGoesOnAfterAnError) {
  std::ofstream(path("data")) << std::string(40'960, 'd');
  const RunResult dd = run_with({"read:path=*/data:page=3:eio"}, {"/bin/dd", "if=data", "of=copy", "bs=4096", "conv=noerror,sync"});
  EXPECT_THAT(dd.err, HasSubstr("error reading 'data': Input/output error"));
  EXPECT_EQ(content("copy"), std::string(3 * 4096, 'd') + std::string(4096, '\0') + std::string(6 * 4096, 'd'));
}

TEST_F(FailingProgram, DdWritesOnAfterShortWrites) {
  std::ofstream(path("data")) << std::string(40'960, 'd');
  const RunResult dd = run_with({"write:path=*/copy:short=1000"}, {"/bin/dd", "if=data", "of=copy", "bs=8192"});
  EXPECT_EQ(dd.status, 0) << dd.err;
  EXPECT_EQ(content("copy"), content("data"));
  EXPECT_GE(hits(), 40);
}

TEST_F(FailingProgram, TarTellsThatTheDiskIsFull) {
  std::ofstream(path("data")) << std::string(100'000, 'd');
  const RunResult tar = shell({"write:path=*/t.tar:page=8..:enospc"}, "tar cf t.tar data");
  EXPECT_NE(tar.status, 0);
  EXPECT_THAT(tar.err, HasSubstr("Wrote only 2048 of 10240 bytes"));  // what a full disk leaves room for
}

TEST_F(FailingProgram, GccTellsThatTheDiskIsFull) {
  if (!fs::exists("/usr/bin/gcc")) GTEST_SKIP() << "gcc is not installed";
  std::ofstream(path("a.c")) << "int main(void) { return 0; }\n";
  const RunResult gcc = shell({"write:path=*/a.o:enospc"}, "gcc -c a.c");
  EXPECT_NE(gcc.status, 0);
  EXPECT_THAT(gcc.err, HasSubstr("No space left on device"));
}

TEST_F(FailingProgram, GitTellsThatTheDiskIsFull) {
  if (!fs::exists("/usr/bin/git")) GTEST_SKIP() << "git is not installed";
  const RunResult git = shell({"write:path=*/.git/objects/*:enospc"},
                              "git init -q . && echo hello > a && git add a; echo status $?; git fsck && git status --short");
  EXPECT_THAT(git.err, HasSubstr("No space left on device"));
  EXPECT_THAT(git.out, HasSubstr("status 128"));
  EXPECT_THAT(git.out, HasSubstr("?? a"));
}

TEST_F(FailingProgram, SqliteTellsADiskErrorAndKeepsItsData) {
  if (!fs::exists("/usr/bin/sqlite3")) GTEST_SKIP() << "sqlite3 is not installed";
  ASSERT_EQ(shell({"read:path=/none:eio"}, "sqlite3 s.db 'create table t(x); insert into t values(1)'").status, 0);
  const RunResult sync = shell({"fsync:path=*/s.db*:when=1:eio"}, "sqlite3 s.db 'insert into t values(2)'");
  EXPECT_THAT(sync.err, HasSubstr("disk I/O error"));
  const RunResult read = shell({"read:path=*/s.db:page=1:eio"}, "sqlite3 s.db 'select * from t'");
  EXPECT_THAT(read.err, HasSubstr("malformed"));  // what SQLite makes of EIO (SQLITE_IOERR_CORRUPTFS)
  const RunResult moved = shell({"read:path=*/s.db:page=1:estale"}, "sqlite3 s.db 'select * from t'");
  EXPECT_THAT(moved.err, HasSubstr("disk I/O error"));
  const RunResult well = shell({"read:path=/none:eio"}, "sqlite3 s.db 'pragma integrity_check; select x from t'");
  EXPECT_EQ(well.out, "ok\n1\n") << well.err;
}

TEST_F(FailingProgram, SqliteTellsAFullDisk) {
  if (!fs::exists("/usr/bin/sqlite3")) GTEST_SKIP() << "sqlite3 is not installed";
  const RunResult full = shell({"write:path=*/s.db:page=4..:enospc"},
                               "sqlite3 s.db 'create table t(x); insert into t values(1)';"
                               "sqlite3 s.db 'insert into t select hex(randomblob(20000))';"
                               "sqlite3 s.db 'pragma integrity_check; select x from t'");
  EXPECT_THAT(full.err, HasSubstr("database or disk is full"));
  EXPECT_EQ(full.out, "ok\n1\n");
}

TEST_F(FailingProgram, SortTellsThatThereIsNoRoomForItsTemporaryFiles) {
  fs::create_directory(path("tmp"));
  std::ofstream big(path("big"));
  for (int i = 0; i < 60'000; ++i) big << i * 7919 % 60'000 << "\n";
  big.close();
  const RunResult sort = shell({"write:path=*/tmp/sort*:enospc"}, "sort -S 64k -T tmp -o sorted big; echo status $?");
  EXPECT_THAT(sort.err, HasSubstr("No space left on device"));
  EXPECT_THAT(sort.out, HasSubstr("status 2"));
  const RunResult well = shell({"write:path=*/tmp/sort*:when=1000+:enospc"}, "sort -n -S 64k -T tmp -o sorted big; head -2 sorted");
  EXPECT_EQ(well.out, "0\n1\n") << well.err;
}

TEST_F(FailingProgram, GzipKeepsTheFileThatItCannotCompress) {
  write("data", 100'000);
  const RunResult gzip = shell({"write:path=*/data.gz:enospc"}, "gzip data; echo status $?; ls");
  EXPECT_THAT(gzip.err, HasSubstr("No space left on device"));
  EXPECT_THAT(gzip.out, HasSubstr("status 1"));
  EXPECT_EQ(content("data"), std::string(100'000, 'd'));
  EXPECT_FALSE(fs::exists(path("data.gz")));
}

TEST_F(FailingProgram, CpTellsAFullDiskAndALostRead) {
  write("data", 50'000);
  EXPECT_THAT(shell({"write:path=*/copy:page=3..:enospc"}, "cp data copy").err, HasSubstr("No space left on device"));
  EXPECT_THAT(shell({"open:path=*/copy:erofs"}, "cp data copy").err, HasSubstr("Read-only file system"));
}

TEST_F(FailingProgram, PythonMeetsAnOsError) {
  if (!fs::exists("/usr/bin/python3")) GTEST_SKIP() << "python3 is not installed";
  const RunResult python = run_with({"write:path=*/out:enospc", "fsync:path=*/other:eio"}, {"/usr/bin/python3", "-c", R"(
import os, errno
try:
  with open('out', 'w') as f: f.write('x' * 10000)
except OSError as e: print(errno.errorcode[e.errno])
f = open('other', 'w'); f.write('x'); f.flush()
try: os.fsync(f.fileno())
except OSError as e: print(errno.errorcode[e.errno])
)"});
  EXPECT_EQ(python.out, "ENOSPC\nEIO\n") << python.err;
}

TEST_F(FailingProgram, ShellRedirectionsTell) {
  EXPECT_THAT(shell({"write:path=*/out:enospc"}, "echo hello > out || echo failed").out, HasSubstr("failed"));
  EXPECT_THAT(shell({"open:path=*/out:eacces"}, "echo hello > out || echo failed").out, HasSubstr("failed"));
}

// It stops rather than go on with a log of which it does not know what is on the disk, and recovers when the disk is well.
TEST_F(FailingProgram, PostgresPanicsWhenItsLogCannotBeSynchronisedAndRecovers) {
  const std::string as = "setpriv --reuid=postgres --regid=postgres --init-groups env -i PATH=/usr/bin:/bin LC_ALL=C ";
  std::string bin;
  if (fs::exists("/usr/lib/postgresql"))
    for (const auto& version : fs::directory_iterator("/usr/lib/postgresql")) bin = version.path().string() + "/bin/";
  if (::geteuid() != 0 || !fs::exists(bin + "postgres")) GTEST_SKIP() << "postgresql is not installed, or this is not root";
  Setting setting;
  setting.directory = path(".");
  setting.timeout = std::chrono::seconds(60);
  const RunResult made = run({"/bin/sh", "-c", "chown postgres . && " + as + bin + "initdb -D data -A trust --no-sync >/dev/null"}, Mode::Native, setting);
  ASSERT_EQ(made.status, 0) << made.err;
  const std::string single = as + bin + "postgres --single -D data postgres";
  const RunResult panic = shell({"fsync:path=*/pg_wal/*:when=2:eio"}, "printf 'create table t(x int)\\ninsert into t values(1)\\n' | " + single);
  EXPECT_NE(panic.status, 0);
  EXPECT_THAT(panic.err, testing::ContainsRegex("PANIC:  could not f(data)?sync file .*: Input/output error"));
  EXPECT_EQ(hits(), 1);
  const RunResult well = shell({"fsync:path=/none:eio"}, "printf 'checkpoint\\nselect 6 * 7\\n' | " + single);
  EXPECT_EQ(well.status, 0) << well.err;
  EXPECT_THAT(well.out, HasSubstr("42"));
}

// A damaged page of the program's own file: it is killed by SIGBUS, as on Linux, and its parent sees that.
TEST_F(FailingProgram, AProgramWhoseTextCannotBeReadIsKilledBySigbus) {
  fs::copy_file("/bin/ls", path("ls"));
  const RunResult ls = shell({"read:path=*/ls:via=map:page=8..:eio"}, "./ls / > /dev/null; echo $?");
  EXPECT_EQ(ls.out, "135\n") << ls.err;
}

}  // namespace
}  // namespace pagefold::guest_test
