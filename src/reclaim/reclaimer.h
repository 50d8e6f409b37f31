// Keeps the frames of a run below its limit: whoever needs frames asks here before it takes any lock; when there is no
// room, the policy names frames, and their owners take them away.
//
// An Owner is what frames belong to: the private pages of one address space, a file in the page cache, shared memory.
// It has the last word on each page (it may be locked, busy, or gone), and tells came() and gone() whatever happens to
// its frames, by eviction or otherwise. What the Reclaimer keeps are hints, put right at the next look.
//
// Frames put in ahead of need go first, in the order of their coming, and are never a reason to evict another:
// speculation gets what is free beyond a reserve for demand.
//
// Frames are evicted ahead of demand: when a batch is missing from the high() that should be free, a thread of its own is woken, so that who
// needs one finds it; speculation leaves low() of them to demand. Where that thread does not get on, whoever asks evicts for
// himself. In a memory of a few MiB every frame counts: there is no such thread.
//
// Locks: make_room() wants none held; came(), gone(), touched() may be called under any (Reclaimer's own is innermost).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "reclaim/frame_list.h"
#include "reclaim/memory_limit.h"
#include "reclaim/policy.h"

namespace pagefold::reclaim {

enum class Patience { NoWait, Wait };

// Why an eviction came to nothing; one counter each. Touched: stored to while its contents were on their way to the swap.
enum class Refusal { Busy, Pinned, SwapFull, Failed, Gone, Touched, kCount };
inline constexpr std::size_t kRefusals = static_cast<std::size_t>(Refusal::kCount);

struct Kept {
  PageIndex page = 0;
  Refusal why = Refusal::Busy;
};

class Owner {
 public:
  enum class Kind { Private, File, Shared, kCount };
  virtual ~Owner() = default;
  [[nodiscard]] virtual Kind kind() const = 0;
  // Takes the frames of these pages (ascending) away, their contents safe. Returns those that stay.
  virtual std::vector<Kept> evict(const std::vector<PageIndex>& pages, Patience patience) = 0;
  // Takes these pages (ascending) out of all page tables, frames and contents untouched, so that the next touch of each
  // is seen and told to touched(). Returns those for which it did.
  virtual std::vector<PageIndex> watch(const std::vector<PageIndex>&) { return {}; }
};
inline constexpr std::size_t kOwnerKinds = static_cast<std::size_t>(Owner::Kind::kCount);

enum class Coming { Needed, Ahead };
enum class Going { Evicted, Freed };

struct ReclaimCounts {
  std::array<std::uint64_t, kOwnerKinds> evicted{}, refaulted{};
  std::array<std::uint64_t, kRefusals> refused{};
  std::uint64_t rounds = 0, watched = 0, seen = 0;
};

class Reclaimer {
 public:
  Reclaimer(PageIndex limit, std::unique_ptr<ReplacementPolicy> policy);

  MemoryLimit& limit() { return limit_; }

  OwnerId add(std::weak_ptr<Owner> owner, Owner::Kind kind);
  void remove(OwnerId owner);
  // Frames for [first, last) have come, under the thread's reservation; or gone, for whatever reason.
  void came(OwnerId owner, PageIndex first, PageIndex last, Coming how);
  void gone(OwnerId owner, PageIndex first, PageIndex last, Going why);
  // A page that was evicted does not exist any more.
  void forget(OwnerId owner, PageIndex page);
  // The page was evicted before and is needed again.
  void refaulted(OwnerId owner);
  // A page that was being watched was touched.
  void touched(OwnerId owner, PageIndex page);

  // Referenced bits, as far as there can be any: frames that will soon be the next to go are watched. Whoever may wait
  // calls it again and again; it returns at once when stop() has been called, else when evictions have made it worth
  // while.
  bool wait_until_watch_is_due();
  void watch_next();
  void stop();

  // Eviction ahead of demand: who has begun it calls the two again and again. The first returns when it is due; false when
  // stop() has been called.
  void begin_evicting_ahead();
  bool wait_until_room_is_due();
  void evict_ahead();

  // Reserves `need` frames, evicting others if it must, and up to `wish` where they are free anyway. The number it
  // took, to be put in a Reservation. EAGAIN: NoWait, and it would have to wait. ENOMEM: nothing is left that could go.
  Result<PageIndex> make_room(PageIndex need, PageIndex wish, Patience patience);

  [[nodiscard]] ReclaimCounts counts() const;
  // Only while nobody else calls.
  void check_invariants() const;

 private:
  struct Known {
    std::weak_ptr<Owner> owner;
    Owner::Kind kind;
  };
  struct Group {
    OwnerId id;
    std::shared_ptr<Owner> owner;
    std::vector<PageIndex> pages;
  };
  enum class Round { Freed, Busy, Nothing, Hopeless };
  // Frames went and others stayed. True when only so few can go that no program gets anywhere. Lock held.
  bool judge(PageIndex freed, const std::vector<Kept>& kept);

  // The thread that evicts ahead: there is none; it waits; it is at work, or about to be; it did not get on, and pauses.
  enum class Ahead { None, Waits, Works, Pauses };
  [[nodiscard]] PageIndex low() const;
  [[nodiscard]] PageIndex high() const;
  [[nodiscard]] bool is_short() const;
  // True when it works.
  bool wake_evictor();

  Round evict_some(PageIndex want, Patience patience);
  std::vector<Group> choose(PageIndex most);
  std::vector<Group> group(const std::vector<FrameKey>& frames);
  void put_back(OwnerId owner, const std::vector<Kept>& kept, std::vector<FrameKey>& busy);
  [[nodiscard]] PageIndex due_now() const;
  [[nodiscard]] PageIndex batch() const;

  MemoryLimit limit_;
  mutable std::mutex mutex_;  // protects all below
  std::condition_variable changed_;
  std::unique_ptr<ReplacementPolicy> policy_;
  struct Nothing {};
  std::unordered_set<FrameKey> watched_;
  std::condition_variable watch_due_;
  PageIndex evicted_since_watch_ = 0;
  PageIndex went_ = 0, stayed_ = 0;  // of the frames that were to go, since they were last judged
  bool stopping_ = false;
  Ahead evictor_ = Ahead::None;
  std::atomic<unsigned> verdicts_{0};  // how often it found that too few frames can go
  std::chrono::milliseconds pause_{0};
  std::condition_variable room_due_;
  FrameList<Nothing> ahead_;  // put in ahead of need, not known to be touched; or chosen already, and busy then
  std::map<OwnerId, Known> owners_;
  OwnerId next_owner_ = 1;
  ReclaimCounts counts_;
};

}  // namespace pagefold::reclaim
