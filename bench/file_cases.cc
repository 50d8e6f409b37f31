#include "bench/file_cases.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "bench/command.h"

namespace pagefold::bench {
namespace {

constexpr int kFolders = 100, kFilesEach = 40;  // of the source tree
constexpr int kCommits = 30, kInserts = 12000;

// Text that compresses about as source code does; the same everywhere.
std::string source_text(std::mt19937& random) {
  static constexpr const char* kWords[] = {"int ", "return ", "static ", "const ",       "(value",
                                           "+ 1",  ");\n",    "  if ",   "offset",       "length",
                                           "{\n",  "  }\n\n", "while",   " = nullptr;\n"};
  std::string text;
  const std::size_t size = 1000 + random() % 16000;
  while (text.size() < size)
    text += random() % 8 == 0 ? fmt::format("name_{}", random() % 5000) : kWords[random() % std::size(kWords)];
  return text;
}

Result<void> write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
  out.close();
  if (!out) return fail_errno("write " + path.string());
  return {};
}

Result<void> write_tree(const std::string& directory) {
  std::mt19937 random(1);
  for (int folder = 0; folder < kFolders; ++folder) {
    const std::filesystem::path into = fmt::format("{}/tree/folder-{}", directory, folder);
    std::error_code error;
    std::filesystem::create_directories(into, error);
    for (int file = 0; file < kFilesEach; ++file)
      PAGEFOLD_CHECK(write_text(into / fmt::format("file-{}.cc", file), source_text(random)));
  }
  return {};
}

// A history of small changes.
Result<void> write_repository(const std::string& directory) {
  if (!is_installed("git")) return {};
  const std::string script = fmt::format(
      "set -e; git init -q repo; cd repo; git config user.name a; git config user.email a@b; git config gc.auto 0; cp "
      "-r ../tree/folder-1* .; "
      "for ((i = 0; i < {}; i++)); do for f in folder-1*/file-$((i % 40)).cc folder-1*/file-$((i * 7 % 40)).cc; do "
      "echo \"change $i\" >> $f; done; "
      "git add .; git commit -q -m \"change $i\"; done",
      kCommits);
  const auto made = run_command({{"bash", "-c", script}, directory, {}});
  if (!made) return tl::unexpected(made.error());
  return made->status == 0 ? Result<void>{} : fail(EIO, "make a repository: " + made->output);
}

std::string inserts() {
  std::string sql =
      "PRAGMA synchronous=OFF;\nCREATE TABLE t(id INTEGER PRIMARY KEY, word TEXT, n INT);\nCREATE INDEX w ON "
      "t(word);\n";
  for (int i = 0; i < kInserts; ++i)
    sql += fmt::format("INSERT INTO t(word, n) VALUES('word {}', {});\n", i * 7919 % 10007, i);
  return sql;
}

}  // namespace

void add_file_cases(std::vector<Case>& cases, const std::string& programs) {
  const std::vector<Case> heavy = {
      {"tar", {"tar", "cf", "tree.tar", "tree"}, Measure::Wall, 1.1, 1.1, 15, 5},
      {"git-gc", {"git", "-C", "repo", "gc", "-q"}, Measure::Wall, 1.1, 1.1, 11, 3},
      {"sqlite-inserts", {"bash", "-c", "rm -f t.db; exec sqlite3 t.db < inserts.sql"}, Measure::Wall, 1.1, 1.1, 11, 3},
      {"dd-4k",
       {"dd", "if=/dev/zero", "of=dd.out", "bs=4k", "count=100000", "conv=notrunc", "status=none"},
       Measure::Wall,
       1.1,
       1.1,
       15,
       5},
  };
  for (Case one : heavy) {
    one.about_files = true;
    cases.push_back(one);
    one.name += "-own";
    one.flags = {"--own-files"};
    one.unpinned_bar = one.pinned_bar = std::nullopt;
    cases.push_back(std::move(one));
  }
  for (const char* pages : {"1", "16", "4096"}) {
    Case one{std::string("msync-") + pages, {programs + "/msync_pages", pages}, Measure::Printed, 1.5, 1.5, 11, 3};
    one.flags = {"--own-files"};
    cases.push_back(std::move(one));
  }
}

Result<void> write_file_sources(const std::string& directory) {
  PAGEFOLD_CHECK(write_tree(directory));
  PAGEFOLD_CHECK(write_repository(directory));
  return write_text(directory + "/inserts.sql", inserts());
}

}  // namespace pagefold::bench
