#include "reclaim/reclaimer.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <utility>

#include "reclaim/watching.h"

namespace pagefold::reclaim {
namespace {

// Frames evicted at a time: enough to pay for the locks and calls, few enough to be a small part of a small memory.
constexpr PageIndex kMostAtATime = 64;
constexpr PageIndex kLeastAtATime = 4;
constexpr PageIndex kShareAtATime = 64;  // of the limit

// Frames kept free: enough for the faults that come while a batch is written, few enough not to be missed.
constexpr PageIndex kFreeShare = 256, kMostLow = 256;  // low
constexpr PageIndex kMoreFreeShare = 128, kMostMoreFree = 256;  // high, beyond it: what is free is missing elsewhere
constexpr PageIndex kLeastForAhead = 1024;
constexpr std::chrono::milliseconds kLongestPause{500};  // of the evictor, when nothing can go
constexpr unsigned kMostWaits = 4;                       // for the evictor, before evicting oneself

// Frames watched at a time: their owner's faults wait meanwhile, some microseconds a frame.
constexpr std::size_t kWatchedAtOnce = 64;

// How long to wait for owners that are busy before saying that nothing is left: much longer than any of them may be.
constexpr std::chrono::milliseconds kPause{5};
constexpr std::chrono::seconds kBusyPatience{30};
// Judged when every frame has been tried so often.
constexpr PageIndex kTimesAround = 4, kFewestToSpare = 48;
constexpr int kEmptyRounds = 100;  // half a second: what a guest that was just killed had is not free at once

}  // namespace

Reclaimer::Reclaimer(PageIndex limit, std::unique_ptr<ReplacementPolicy> policy)
    : limit_(limit), policy_(std::move(policy)) {}

PageIndex Reclaimer::batch() const { return std::clamp(limit_.most() / kShareAtATime, kLeastAtATime, kMostAtATime); }

OwnerId Reclaimer::add(std::weak_ptr<Owner> owner, Owner::Kind kind) {
  const std::lock_guard lock(mutex_);
  owners_[next_owner_] = {std::move(owner), kind};
  return next_owner_++;
}

void Reclaimer::remove(OwnerId owner) {
  const std::lock_guard lock(mutex_);
  owners_.erase(owner);
}

void Reclaimer::came(OwnerId owner, PageIndex first, PageIndex last, Coming how) {
  limit_.came(last - first);
  const std::lock_guard lock(mutex_);
  for (PageIndex page = first; page < last; ++page) {
    const FrameKey frame = frame_key(owner, page);
    if (how == Coming::Needed) {
      ahead_.erase(frame);
      policy_->inserted(frame);
    } else if (!ahead_.to_back(frame)) {
      ahead_.push_back(frame, {});
    }
  }
}

void Reclaimer::gone(OwnerId owner, PageIndex first, PageIndex last, Going why) {
  limit_.gone(last - first);
  const std::lock_guard lock(mutex_);
  for (PageIndex page = first; page < last; ++page) {
    const FrameKey frame = frame_key(owner, page);
    watched_.erase(frame);
    if (!ahead_.erase(frame) && why == Going::Freed) policy_->removed(frame);
  }
  changed_.notify_all();
}

void Reclaimer::forget(OwnerId owner, PageIndex page) {
  const std::lock_guard lock(mutex_);
  policy_->removed(frame_key(owner, page));
}

void Reclaimer::refaulted(OwnerId owner) {
  const std::lock_guard lock(mutex_);
  const auto it = owners_.find(owner);
  if (it != owners_.end()) ++counts_.refaulted[static_cast<std::size_t>(it->second.kind)];
}

void Reclaimer::touched(OwnerId owner, PageIndex page) {
  const FrameKey frame = frame_key(owner, page);
  const std::lock_guard lock(mutex_);
  counts_.seen += watched_.erase(frame);
  if (ahead_.erase(frame))
    policy_->inserted(frame);
  else
    policy_->touched(frame);
}

PageIndex Reclaimer::due_now() const {
  const std::lock_guard lock(mutex_);
  return policy_->due();
}

Result<PageIndex> Reclaimer::make_room(PageIndex need, PageIndex wish, Patience patience) {
  const auto give_up_at = std::chrono::steady_clock::now() + kBusyPatience;
  const unsigned verdicts = verdicts_;
  unsigned waits = 0;
  if (const PageIndex due = due_now(); due > 0) (void)evict_some(due, patience);
  for (int empty = 0; !limit_.take(need);) {
    if (need > limit_.most()) return fail(ENOMEM, "more frames at once than the limit has");
    if (verdicts_ != verdicts) return fail(ENOMEM, "too few frames can go");
    // The evictor may have to wait for somebody who waits for us; so not for ever.
    if (wake_evictor() && ++waits % kMostWaits != 0) {
      if (patience == Patience::NoWait) return fail(EAGAIN);
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, kPause, [&] { return limit_.free() >= need; });
      continue;
    }
    const Round round = evict_some(std::max(need, batch()), patience);
    if (round == Round::Hopeless) return fail(ENOMEM, "too few frames can go");
    if (round == Round::Freed) {
      empty = 0;
      continue;
    }
    if (patience == Patience::NoWait) return fail(EAGAIN);
    if (round == Round::Nothing && ++empty >= kEmptyRounds) return fail(ENOMEM, "no frame can be had");
    if (std::chrono::steady_clock::now() > give_up_at) return fail(ENOMEM, "no frame could be had in time");
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPause);
  }
  if (is_short()) wake_evictor();
  // Ahead of need only what demand will not miss at once.
  const PageIndex free = limit_.free(), reserve = std::max(batch(), low());
  const PageIndex more = free > reserve ? std::min(wish > need ? wish - need : 0, free - reserve) : 0;
  return more > 0 && limit_.take(more) ? need + more : need;
}

std::vector<Reclaimer::Group> Reclaimer::group(const std::vector<FrameKey>& frames) {
  std::vector<FrameKey> sorted = frames;
  std::sort(sorted.begin(), sorted.end());
  std::vector<Group> groups;
  for (const FrameKey frame : sorted) {
    if (groups.empty() || groups.back().id != owner_of(frame)) {
      const auto known = owners_.find(owner_of(frame));
      groups.push_back({owner_of(frame), known == owners_.end() ? nullptr : known->second.owner.lock(), {}});
    }
    groups.back().pages.push_back(page_in(frame));
  }
  return groups;
}

std::vector<Reclaimer::Group> Reclaimer::choose(PageIndex most) {
  const std::lock_guard lock(mutex_);
  std::vector<FrameKey> chosen;
  while (chosen.size() < most && !ahead_.empty()) {
    chosen.push_back(ahead_.front().frame);
    ahead_.pop_front();
  }
  while (chosen.size() < most) {
    const auto frame = policy_->evict();
    if (!frame) break;
    chosen.push_back(*frame);
  }
  ++counts_.rounds;
  return group(chosen);
}

// Frames that could not go are as good as just touched: others come first at the next round. But those that only had to
// wait are still the next to go; they are kept for the end of this round.
void Reclaimer::put_back(OwnerId owner, const std::vector<Kept>& kept, std::vector<FrameKey>& busy) {
  const std::lock_guard lock(mutex_);
  for (const Kept& k : kept) {
    ++counts_.refused[static_cast<std::size_t>(k.why)];
    const FrameKey frame = frame_key(owner, k.page);
    if (k.why == Refusal::Busy)
      busy.push_back(frame);
    else if (k.why != Refusal::Gone)
      policy_->refused(frame);
  }
}

Reclaimer::Round Reclaimer::evict_some(PageIndex want, Patience patience) {
  PageIndex freed = 0, looked_at = 0;
  bool wait = false, hopeless = false;
  std::vector<FrameKey> busy;
  const std::size_t all = [&] {
    const std::lock_guard lock(mutex_);
    return policy_->size() + ahead_.size();
  }();
  // Who cannot wait tries the next ones only: if these must be waited for, others that need not would go in their place.
  while (freed == 0 && looked_at < all && !(wait && patience == Patience::NoWait)) {
    const auto groups = choose(want);
    if (groups.empty()) break;
    for (const Group& g : groups) {
      looked_at += g.pages.size();
      if (!g.owner) {  // it is ending, and so do its frames
        wait = true;
        continue;
      }
      const auto kept = g.owner->evict(g.pages, patience);
      freed += g.pages.size() - kept.size();
      wait = wait || std::any_of(kept.begin(), kept.end(),
                                 [](const Kept& k) { return k.why == Refusal::Busy || k.why == Refusal::Gone; });
      put_back(g.id, kept, busy);
      const std::lock_guard lock(mutex_);
      // Who cannot wait has not tried everything.
      if (patience == Patience::Wait) hopeless = judge(g.pages.size() - kept.size(), kept) || hopeless;
      counts_.evicted[static_cast<std::size_t>(g.owner->kind())] += g.pages.size() - kept.size();
      evicted_since_watch_ += g.pages.size() - kept.size();
      if (evicted_since_watch_ >= watch_distance(limit_.most()) / kLooksPerDistance) watch_due_.notify_one();
    }
  }
  {
    const std::lock_guard lock(mutex_);
    for (const FrameKey frame : busy)
      if (!ahead_.contains(frame)) ahead_.push_back(frame, {});
  }
  if (hopeless) return Round::Hopeless;
  if (freed > 0) return Round::Freed;
  return wait ? Round::Busy : Round::Nothing;
}

// A program needs some pages at once to run a single instruction, and to come from one to the next. With fewer frames
// than that to spare it would fault for ever.
bool Reclaimer::judge(PageIndex freed, const std::vector<Kept>& kept) {
  went_ += freed;
  stayed_ += static_cast<PageIndex>(std::count_if(kept.begin(), kept.end(), [](const Kept& k) {
    return k.why == Refusal::Pinned || k.why == Refusal::SwapFull || k.why == Refusal::Failed;
  }));
  const PageIndex all = limit_.used(), seen = went_ + stayed_;
  if (seen < kTimesAround * all) return false;
  if (2 * all < limit_.most()) {  // somebody has just given much back
    went_ = stayed_ = 0;
    return false;
  }
  const bool few = went_ * all < kFewestToSpare * seen;
  went_ = stayed_ = 0;
  return few;
}

PageIndex Reclaimer::low() const { return limit_.most() < kLeastForAhead ? 0 : std::min(limit_.most() / kFreeShare, kMostLow); }

PageIndex Reclaimer::high() const { return low() == 0 ? 0 : low() + std::min(limit_.most() / kMoreFreeShare, kMostMoreFree); }

bool Reclaimer::is_short() const { return limit_.free() + std::min(batch(), high() - low()) < high(); }

bool Reclaimer::wake_evictor() {
  const std::lock_guard lock(mutex_);
  if (evictor_ == Ahead::Waits) {
    evictor_ = Ahead::Works;
    room_due_.notify_one();
  }
  return evictor_ == Ahead::Works;
}

void Reclaimer::begin_evicting_ahead() {
  const std::lock_guard lock(mutex_);
  if (low() > 0) evictor_ = Ahead::Waits;
}

bool Reclaimer::wait_until_room_is_due() {
  std::unique_lock lock(mutex_);
  const auto due = [this] { return stopping_ || evictor_ == Ahead::Works; };
  while (!due()) {
    if (evictor_ != Ahead::Pauses) {
      room_due_.wait(lock);
    } else if (!room_due_.wait_for(lock, pause_, due)) {
      evictor_ = is_short() ? Ahead::Works : Ahead::Waits;
    }
  }
  return !stopping_;
}

void Reclaimer::evict_ahead() {
  Round round = Round::Freed;
  const auto stopped = [this] {
    const std::lock_guard lock(mutex_);
    return stopping_;
  };
  for (PageIndex free = limit_.free(); round == Round::Freed && free < high() && !stopped(); free = limit_.free())
    round = evict_some(std::clamp(high() - free, kLeastAtATime, batch()), Patience::Wait);
  const std::lock_guard lock(mutex_);
  if (round == Round::Hopeless) ++verdicts_;
  evictor_ = round == Round::Freed ? Ahead::Waits : Ahead::Pauses;
  pause_ = round == Round::Freed ? kPause : std::min(2 * std::max(pause_, kPause), kLongestPause);
  changed_.notify_all();
}

bool Reclaimer::wait_until_watch_is_due() {
  std::unique_lock lock(mutex_);
  watch_due_.wait(lock, [this] { return stopping_ || evicted_since_watch_ >= watch_distance(limit_.most()) / kLooksPerDistance; });
  return !stopping_;
}

void Reclaimer::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  watch_due_.notify_all();
  room_due_.notify_all();
  changed_.notify_all();
  evictor_ = Ahead::None;
}

void Reclaimer::watch_next() {
  std::vector<Group> groups;
  {
    const std::lock_guard lock(mutex_);
    evicted_since_watch_ = 0;
    std::vector<FrameKey> coming;
    ahead_.first(watch_distance(limit_.most()), coming, [](Nothing) { return true; });
    if (coming.size() < watch_distance(limit_.most())) {
      const auto further = policy_->next(watch_distance(limit_.most()) - coming.size());
      coming.insert(coming.end(), further.begin(), further.end());
    }
    std::erase_if(coming, [this](FrameKey frame) { return watched_.contains(frame); });
    groups = group(coming);
  }
  for (const Group& g : groups)
    for (std::size_t from = 0; g.owner && from < g.pages.size(); from += kWatchedAtOnce) {
      const auto first = g.pages.begin() + static_cast<std::ptrdiff_t>(from);
      const std::vector<PageIndex> some(first, first + static_cast<std::ptrdiff_t>(std::min(kWatchedAtOnce, g.pages.size() - from)));
      const auto watched = g.owner->watch(some);
      const std::lock_guard lock(mutex_);
      counts_.watched += watched.size();
      for (const PageIndex page : watched) watched_.insert(frame_key(g.id, page));
    }
}

void Reclaimer::check_invariants() const {
  const std::lock_guard lock(mutex_);
  assert(limit_.used() <= limit_.taken());
  assert(limit_.taken() <= limit_.most() + limit_.overdrawn());
  assert(limit_.used() <= limit_.peak());
  // Every frame that came is known, by one of the two.
  assert(policy_->size() + ahead_.size() == limit_.used());
  for ([[maybe_unused]] const FrameKey frame : watched_) assert(owners_.contains(owner_of(frame)));
}

ReclaimCounts Reclaimer::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace pagefold::reclaim
