// Writes the log of a run. Calls: it keeps a shadow of each file, and at every call that the supervisor tells of, what
// differs from the shadow has happened since the last one; only what a call has announced, and what has another size,
// is compared. Stores through mappings: the supervisor tells them page by page, in their order.
//
// A file that comes into the recorded directory by a rename from elsewhere appears with the contents that it has then,
// unsynchronised.
//
// Thread-safe: one mutex, innermost, held while files are read, not while the disk is waited for.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "crash/log.h"
#include "crash/selection.h"
#include "crash/shadow.h"
#include "event/file_watch.h"

namespace pagefold::crash {

class Recorder final : public event::FileWatch {
 public:
  // Writes the files as they are to the log. Errors: of the log, or of reading the files.
  static Result<std::unique_ptr<Recorder>> start(Selection selection, const std::string& log_path);

  [[nodiscard]] bool watches(event::FileId id) override;
  void about_to(const Caller& caller, const Intent& intent) override;
  void stored(const Caller& caller, const Stored& page) override;
  std::optional<int> synchronise(const Caller& caller, Scope scope, event::FileId id, Bytes offset, Bytes length,
                                 const std::function<int()>& wait) override;
  void tells(const Caller& caller, std::string text) override;

  // Says in words where a thread was.
  using PlaceTeller = std::function<std::string(const event::CodeSnapshot&)>;
  // The run is over: what happened last is recorded, and the places of all events. The first error of the recording, if
  // there was one.
  Result<void> finish(const PlaceTeller& place_of = {});

 private:
  using FileId = event::FileId;
  struct File {
    FileNumber number = kNoFile;
    FileType type = FileType::Regular;
    UniqueFd fd;
    Shadow shadow;
    blkcnt_t blocks = 0;  // when last looked at
    bool fresh = true;  // never compared yet
    int names = 0;
  };
  using Name = std::pair<FileNumber, std::string>;  // in a directory
  struct Found {
    FileId id;
    FileType type = FileType::Regular;
    std::uint32_t mode = 0;
  };
  using Names = std::map<Name, FileId>;
  struct Pending {
    Caller caller;
    Intent intent;
    bool ended = false;  // the thread has
  };

  Recorder(Selection selection, LogWriter log) : selection_(std::move(selection)), log_(std::move(log)) {}

  enum class Compare : bool { WhereDue, Everywhere };
  // Records what has happened. `caller` has come back from its last call.
  void catch_up(const Caller& caller, Compare compare = Compare::WhereDue);
  [[nodiscard]] Caller author_of_the_rest(const Caller& caller) const;
  void observe(const Caller& came, Compare compare);
  void scan(const std::string& path, FileNumber directory, std::map<Name, Found>& found);
  FileId meet(const Name& name, const Found& found, const std::string& path);
  void compare_names(const Caller& caller, const std::map<Name, Found>& found);
  void compare_contents(const Caller& caller, FileId id, File& file, Compare compare);
  Result<void> take_resize(const Caller& caller, FileId id, File& file, Bytes size, blkcnt_t blocks);
  Result<void> take_writes(FileId id, File& file, Bytes size);
  Result<void> take_rest(const Caller& caller, File& file, Bytes size);
  void log_event(Event event, const Caller& caller);
  std::uint32_t code_of(const Caller& caller);

  const Selection selection_;
  std::mutex mutex_;  // all below
  LogWriter log_;
  std::map<FileId, File> files_;
  Names names_;
  std::map<FileNumber, std::string> directories_;  // their paths
  std::map<pid_t, Pending> pending_;               // by thread: the call it is in
  FileNumber next_number_ = kRoot + 1;
  std::map<std::vector<std::uint64_t>, std::uint32_t> codes_;               // by what tells places apart
  std::vector<std::shared_ptr<const event::CodeSnapshot>> code_snapshots_;  // of code 1 and so on
  std::uint64_t last_closed_ = 0;  // if the event that was logged last is a store: when its page was closed
  std::optional<Error> error_;
};

}  // namespace pagefold::crash
