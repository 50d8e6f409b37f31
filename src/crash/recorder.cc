#include "crash/recorder.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "crash/fallocate.h"

namespace pagefold::crash {
namespace {

using Kind = event::FileWatch::Intent::Kind;

// A range's end; lengths may be anything.
Bytes end_of(const event::FileWatch::Intent& intent) { return intent.offset + std::min(intent.length, ~intent.offset); }

FileType type_of(mode_t mode) {
  return S_ISDIR(mode) ? FileType::Directory : S_ISLNK(mode) ? FileType::Link : FileType::Regular;
}

std::string link_target(const std::string& path) {
  std::string target(4096, '\0');
  const ssize_t n = ::readlink(path.c_str(), target.data(), target.size());
  target.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return target;
}

}  // namespace

Result<std::unique_ptr<Recorder>> Recorder::start(Selection selection, const std::string& log_path) {
  std::unique_ptr<Recorder> recorder(new Recorder(std::move(selection), PAGEFOLD_TRY(LogWriter::create(log_path))));
  struct stat status {};
  UniqueFd root(::open(recorder->selection_.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root || ::fstat(root.get(), &status) != 0) return fail_errno(recorder->selection_.directory);
  File& file = recorder->files_[{status.st_dev, status.st_ino}];
  file.number = kRoot;
  file.type = FileType::Directory;
  file.fd = std::move(root);
  file.names = 1;
  recorder->directories_[kRoot] = recorder->selection_.directory;
  recorder->observe({}, Compare::Everywhere);
  recorder->log_event({.kind = EventKind::Begin}, {});
  if (recorder->error_) return tl::unexpected(*recorder->error_);
  return recorder;
}

void Recorder::about_to(const Caller& caller, const Intent& intent) {
  const std::lock_guard lock(mutex_);
  catch_up(caller);
  pending_[caller.thread] = {caller, intent};
}

bool Recorder::watches(FileId id) {
  const std::lock_guard lock(mutex_);
  return files_.contains(id);
}

void Recorder::stored(const Caller& caller, const Stored& page) {
  const std::lock_guard lock(mutex_);
  // Each call closes the pages that are open when it begins: what such calls have done by now came before what was stored.
  if (!pending_.empty()) catch_up(caller);
  const auto it = files_.find(page.file);
  if (it == files_.end()) return;
  File& file = it->second;
  // Behind the end there is nothing to store to, and a page that is new to us will be met as a whole.
  if (file.fresh || page.offset >= file.shadow.size()) return;
  const auto bytes = page.bytes.first(std::min<Bytes>(page.bytes.size(), file.shadow.size() - page.offset));
  const auto fresh = file.shadow.take_page(page_of(page.offset), bytes);
  if (fresh.empty()) return;
  Event event{.kind = EventKind::Store, .file = file.number, .offset = page.offset, .length = bytes.size()};
  event.pieces.push_back({page.offset + static_cast<Bytes>(fresh.data() - bytes.data()), fresh, 0});
  event.together = page.opened < last_closed_;
  log_event(std::move(event), caller);
  last_closed_ = page.closed;
}

std::optional<int> Recorder::synchronise(const Caller& caller, Scope scope, FileId id, Bytes offset, Bytes length,
                                         const std::function<int()>& wait) {
  std::unique_lock lock(mutex_);
  catch_up(caller);
  const auto file = files_.find(scope == Scope::All ? files_.begin()->first : id);
  if (file == files_.end()) return std::nullopt;
  constexpr std::array kKinds = {EventKind::Sync, EventKind::SyncData, EventKind::SyncRange, EventKind::SyncAll};
  Event event{
      .kind = kKinds[static_cast<std::size_t>(scope)], .file = file->second.number, .offset = offset, .length = length};
  event.covers = log_.next();
  lock.unlock();
  const int error = wait();
  lock.lock();
  if (error == 0) log_event(std::move(event), caller);
  return error;
}

void Recorder::tells(const Caller& caller, std::string text) {
  const std::lock_guard lock(mutex_);
  catch_up(caller);
  Event event{.kind = EventKind::Output};
  event.text = std::move(text);
  log_event(std::move(event), caller);
}

Result<void> Recorder::finish(const PlaceTeller& place_of) {
  const std::lock_guard lock(mutex_);
  catch_up({}, Compare::Everywhere);
  for (std::uint32_t code = 1; place_of && code <= code_snapshots_.size(); ++code) {
    Event place{.kind = EventKind::Place};
    place.text = place_of(*code_snapshots_[code - 1]);
    place.code = code;
    if (auto done = log_.append(place); !done && !error_) error_ = done.error();
  }
  if (error_) return tl::unexpected(*error_);
  return {};
}

void Recorder::log_event(Event event, const Caller& caller) {
  last_closed_ = 0;
  event.process = caller.process;
  event.code = code_of(caller);
  if (auto done = log_.append(event); !done && !error_) error_ = done.error();
}

// Two moments are at the same place if the thread was at the same instruction, called from the same ones: what looks
// like addresses of code on the stack tells, without looking at what the functions are.
std::uint32_t Recorder::code_of(const Caller& caller) {
  constexpr std::size_t kMostCodes = 2000, kLooked = 2048;
  if (!caller.code || caller.code->instruction == 0) return 0;
  const event::CodeSnapshot& code = *caller.code;
  std::vector<std::uint64_t> key = {static_cast<std::uint64_t>(caller.process), code.instruction};
  for (std::size_t at = 0; at + sizeof(std::uint64_t) <= std::min(code.stack_bytes.size(), kLooked);
       at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, code.stack_bytes.data() + at, sizeof word);
    if (std::ranges::any_of(code.modules, [&](const auto& module) { return module.range.contains(word); }))
      key.push_back(word);
  }
  const auto known = codes_.find(key);
  if (known != codes_.end()) return known->second;
  if (code_snapshots_.size() == kMostCodes) return 0;
  code_snapshots_.push_back(caller.code);
  return codes_[std::move(key)] = static_cast<std::uint32_t>(code_snapshots_.size());
}

void Recorder::catch_up(const Caller& caller, Compare compare) {
  // Threads that have ended do nothing more, but for what is seen now.
  std::erase_if(pending_, [](const auto& entry) { return entry.second.ended; });
  for (auto& [thread, pending] : pending_) pending.ended = ::kill(thread, 0) != 0 && errno == ESRCH;
  observe(caller, compare);
  const auto mine = pending_.find(caller.thread);
  if (mine == pending_.end()) return;
  const Intent intent = mine->second.intent;
  // A write that waited for the disk promises what it has written.
  if (const auto file = files_.find(intent.file); intent.waits_for_disk && file != files_.end()) {
    Event event{
        .kind = EventKind::SyncRange, .file = file->second.number, .offset = intent.offset, .length = intent.length};
    event.covers = log_.next();
    log_event(std::move(event), mine->second.caller);
  }
  pending_.erase(mine);
}

// Who has done what no write, truncation or allocation explains: a call that may change names, the caller's own if it was in one.
// `caller` has come to its next call by now; a change that no call announced is seen there.
event::FileWatch::Caller Recorder::author_of_the_rest(const Caller& caller) const {
  const auto may_have = [](const auto& entry) { return entry.second.intent.kind == Kind::Other; };
  const auto own = pending_.find(caller.thread);
  if (own != pending_.end() && may_have(*own)) return own->second.caller;
  const auto other = std::ranges::find_if(pending_, may_have);
  return other != pending_.end() ? other->second.caller : caller;
}

void Recorder::observe(const Caller& came, Compare compare) {
  const Caller caller = author_of_the_rest(came);
  std::map<Name, Found> found;
  scan(selection_.directory, kRoot, found);
  compare_names(caller, found);
  for (auto it = files_.begin(); it != files_.end();) {
    compare_contents(caller, it->first, it->second, compare);
    // A file without a name can get one again as long as it lives (linkat); our descriptor keeps its number from being
    // reused.
    struct stat status {};
    const bool gone = it->second.names == 0 && (::fstat(it->second.fd.get(), &status) != 0 || status.st_nlink == 0);
    it = gone ? files_.erase(it) : std::next(it);
  }
}

// ---- names

// Lists a directory; directories that are new are met at once, so that what is in them can be named.
void Recorder::scan(const std::string& path, FileNumber directory, std::map<Name, Found>& found) {
  struct Close {
    void operator()(DIR* directory) const { ::closedir(directory); }
  };
  const std::unique_ptr<DIR, Close> listing(::opendir(path.c_str()));
  if (!listing) return;
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string name = entry->d_name;
    struct stat status {};
    if (name == "." || name == ".." || !selection_.matches(name)) continue;
    if (::fstatat(::dirfd(listing.get()), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    const bool enters = S_ISDIR(status.st_mode) && selection_.enters_directories();
    if (!enters && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) continue;
    const Found here{{status.st_dev, status.st_ino}, type_of(status.st_mode), status.st_mode & 07777};
    found[{directory, name}] = here;
    if (!enters) continue;
    File& below = files_[here.id];
    if (below.number == kNoFile) below.number = next_number_++;
    below.type = FileType::Directory;
    if (!below.fd) below.fd.reset(::open((path + "/" + name).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    directories_[below.number] = path + "/" + name;
    scan(path + "/" + name, below.number, found);
  }
}

Recorder::FileId Recorder::meet(const Name& name, const Found& found, const std::string& path) {
  File& file = files_[found.id];
  if (file.number == kNoFile) file.number = next_number_++;
  file.type = found.type;
  if (found.type == FileType::Regular && !file.fd)
    file.fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (found.type == FileType::Regular && !file.fd && !error_) error_ = Error{errno, "record " + name.second};
  return found.id;
}

void Recorder::compare_names(const Caller& caller, const std::map<Name, Found>& found) {
  std::map<FileId, std::vector<Name>> gone;
  std::vector<Name> vacated;
  for (const auto& [name, id] : names_) {
    const auto now = found.find(name);
    if (now != found.end() && now->second.id == id) continue;
    gone[id].push_back(name);
    vacated.push_back(name);
  }
  std::set<Name> moved;
  std::vector<Event> appeared;
  for (const auto& [name, what] : found) {
    const auto before = names_.find(name);
    if (before != names_.end() && before->second == what.id) continue;
    const auto known = files_.find(what.id);
    const bool had_name = known != files_.end() && known->second.names > 0;
    const std::string path = directories_[name.first] + "/" + name.second;
    const FileId id = meet(name, what, path);
    Event event{.kind = had_name ? EventKind::Link : EventKind::Create, .file = files_[id].number};
    event.directory = name.first;
    event.name = name.second;
    event.type = what.type;
    event.mode = what.mode;
    if (what.type == FileType::Link) event.text = link_target(path);
    if (auto& from = gone[id]; had_name && !from.empty()) {
      event.kind = EventKind::Rename;
      event.to_directory = std::exchange(event.directory, from.back().first);
      event.to_name = std::exchange(event.name, from.back().second);
      moved.insert(from.back());
      moved.insert(name);
      from.pop_back();
    } else {
      ++files_[id].names;
    }
    appeared.push_back(std::move(event));
  }
  // What was replaced by a rename goes with it; other names that went, went first.
  for (const Name& name : vacated) {
    File& file = files_[names_[name]];
    const bool renamed_away = moved.contains(name) && !found.contains(name);
    if (!renamed_away) --file.names;
    if (moved.contains(name)) continue;
    Event event{.kind = EventKind::Unlink, .file = file.number};
    event.directory = name.first;
    event.name = name.second;
    event.type = file.type;
    log_event(std::move(event), caller);
  }
  for (Event& event : appeared) log_event(std::move(event), caller);
  names_.clear();
  for (const auto& [name, what] : found) names_[name] = what.id;
}

// ---- contents

void Recorder::compare_contents(const Caller& caller, FileId id, File& file, Compare compare) {
  if (file.type != FileType::Regular || !file.fd) return;
  struct stat status {};
  if (::fstat(file.fd.get(), &status) != 0) return;
  const auto size = static_cast<Bytes>(status.st_size);
  Result<void> done = take_resize(caller, id, file, size, status.st_blocks);
  if (done) done = take_writes(id, file, size);
  if (done && (file.fresh || size != file.shadow.size() || compare == Compare::Everywhere))
    done = take_rest(caller, file, size);
  if (!done && !error_) error_ = done.error();
  file.fresh = false;
}

// truncate and fallocate: to a new size, zeros within the old, or other contents from there on. A fallocate that changes nothing
// that can be read shows by the file's blocks.
Result<void> Recorder::take_resize(const Caller& caller, FileId id, File& file, Bytes size, blkcnt_t blocks) {
  const auto pending = std::ranges::find_if(pending_, [&](const auto& entry) {
    return entry.second.intent.file == id &&
           (entry.second.intent.kind == Kind::Truncate || entry.second.intent.kind == Kind::Allocate);
  });
  const bool writes = std::ranges::any_of(pending_, [&](const auto& entry) {
    return entry.second.intent.file == id && entry.second.intent.kind == Kind::Write &&
           end_of(entry.second.intent) >= size;
  });
  const bool asked = pending != pending_.end();
  const bool allocates = asked && pending->second.intent.kind == Kind::Allocate;
  const bool grown_by_write = size > file.shadow.size() && (writes || (file.fresh && !asked));
  Event event{.kind = allocates ? EventKind::Allocate : EventKind::Truncate, .file = file.number};
  if (size != file.shadow.size() && !grown_by_write) {
    event.size = size;
    file.shadow.resize(size);
  }
  Shadow::Patch patch;
  if (allocates) {
    const Intent& intent = pending->second.intent;
    event.offset = intent.offset;
    event.length = intent.length;
    event.mode = static_cast<std::uint32_t>(intent.mode);
    const Bytes all = std::min(file.shadow.size(), size);
    const Bytes end = moves_the_rest(event.mode) ? all : std::min(end_of(intent), all);
    if (event.offset < end)
      patch = file.shadow.take(PAGEFOLD_TRY(Data::read(file.fd.get(), event.offset, end)), event.offset, end);
  }
  event.pieces = patch.pieces;
  const bool other_blocks = allocates && blocks != file.blocks;
  file.blocks = blocks;
  if (event.size != Event::kSameSize || !event.pieces.empty() || other_blocks)
    log_event(std::move(event), asked ? pending->second.caller : caller);
  return {};
}

Result<void> Recorder::take_writes(FileId id, File& file, Bytes size) {
  for (const auto& [thread, pending] : pending_) {
    if (pending.intent.kind != Kind::Write || pending.intent.file != id || pending.intent.offset >= size) continue;
    const Bytes from = pending.intent.offset, to = std::min(end_of(pending.intent), size);
    const Data data = PAGEFOLD_TRY(Data::read(file.fd.get(), from, to));
    Event event{.kind = EventKind::Write, .file = file.number, .offset = from, .length = to - from};
    const Shadow::Patch patch = file.shadow.take(data, from, to);
    event.pieces = patch.pieces;
    if (to > file.shadow.size()) {
      event.size = to;
      file.shadow.resize(to);
    }
    if (event.size != Event::kSameSize || !patch.empty()) log_event(std::move(event), pending.caller);
  }
  return {};
}

// Contents that were there when the file was met, or that somebody has put there who did not say where.
Result<void> Recorder::take_rest(const Caller& caller, File& file, Bytes size) {
  const Data data = PAGEFOLD_TRY(Data::read(file.fd.get(), 0, size));
  const Shadow::Patch patch = file.shadow.take(data, 0, size);
  Event event{.kind = EventKind::Write, .file = file.number};
  event.pieces = patch.pieces;
  if (!patch.empty()) {
    event.offset = patch.pieces.front().offset;
    const Piece& last = patch.pieces.back();
    event.length = last.offset + std::max<Bytes>(last.bytes.size(), last.zeros) - event.offset;
  }
  if (size != file.shadow.size()) {
    event.size = size;
    file.shadow.resize(size);
  }
  if (event.size != Event::kSameSize || !patch.empty()) log_event(std::move(event), caller);
  return {};
}

}  // namespace pagefold::crash
