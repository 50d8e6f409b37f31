// mincore: which pages are in memory. Errnos as in mincore(2) and mm/mincore.c.

#include <vector>

#include "cache/file_object.h"
#include "frame/shared_object.h"
#include "kernel/calls.h"
#include "kernel/memory/checked_range.h"
#include "kernel/memory/guest_memory.h"

namespace pagefold::kernel {
namespace {

bool page_resident(Space& space, const vm::Vma& v, VirtAddr at) {
  if (!v.object || v.layered) {
    const std::lock_guard family(space.layer->mutex());
    const PageIndex page = v.layer_page(at);
    if (space.layer->present().test(page)) return !space.layer->frames().is_out(page);
    if (space.layer->inherited().test(page)) return true;
    if (!v.object) return false;
  }
  if (const auto* file = dynamic_cast<const cache::FileObject*>(v.object.get())) return file->cached(page_of(v.object_offset(at)));
  if (auto* shared = dynamic_cast<frame::SharedObject*>(v.object.get())) {
    const std::lock_guard lock(shared->mutex);
    const PageIndex page = page_of(v.object_offset(at));
    return shared->resident.test(page) && !shared->frames().is_out(page);
  }
  return true;
}

}  // namespace

void on_mincore(const Call& call) {
  const auto checked = check(call.argument(0), call.argument(1), ENOMEM, Wrapped::Refused);
  if (checked.error != 0) return call.fail(checked.error);
  if (checked.range.end > kUserTop) return call.fail(ENOMEM);
  if (checked.empty) return call.reply(0);
  Space& space = call.space();
  std::vector<unsigned char> answer(checked.range.pages());
  {
    const std::lock_guard lock(space.mutex);
    if (!space.map.is_covered(checked.range)) return call.fail(ENOMEM);
    for (PageIndex i = 0; i < answer.size(); ++i) {
      const VirtAddr at = checked.range.start + bytes_of(i);
      answer[i] = page_resident(space, *space.map.find(at), at) ? 1 : 0;
    }
  }
  call.finish(write_guest(space, call.argument(2), answer.data(), answer.size()));
}

}  // namespace pagefold::kernel
