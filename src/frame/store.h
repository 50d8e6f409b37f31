// A Store is one sparse memfd: page frames addressed by offset. Each address space, each file and each piece of shared
// memory has a store of its own, so that a descriptor handed to a guest shows it nothing but its own pages, and closing the
// store frees every frame at once.
#pragma once

#include <atomic>
#include <memory>

#include "base/fd.h"
#include "vm/frame_source.h"

namespace pagefold::frame {

class Store final : public vm::FrameSource {
 public:
  // name appears only in the supervisor's own descriptor table. Accesses beyond size raise SIGBUS in a guest.
  static Result<std::shared_ptr<Store>> create(const char* name, Bytes size);

  explicit Store(UniqueFd fd, Bytes size) : fd_(std::move(fd)), size_(size) {}

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] Bytes size() const { return size_; }
  // The store ends at `size` from now on; frames beyond it are gone, from every page table as well.
  Result<void> resize(Bytes size);
  // A second descriptor of the same memfd, open for reading only: a guest that maps it can never store into the frames.
  Result<UniqueFd> open_read_only() const;

  Result<void> read(Bytes offset, void* to, Bytes length) const override;
  Result<void> write(Bytes offset, const void* from, Bytes length) override;
  Result<void> release(Bytes offset, Bytes length) override;
  // Bytes of frames in use, as the host counts them.
  [[nodiscard]] Bytes resident() const;

 private:
  UniqueFd fd_;
  std::atomic<Bytes> size_;
};

}  // namespace pagefold::frame
