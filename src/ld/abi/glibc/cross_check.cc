// A table of (descriptor, member): the third word of each descriptor must be the member's offset in the layout. The
// descriptors of sizes (`_thread_db_sizeof_*`) lie elsewhere in the file and are left out to keep the read small.
#include "ld/abi/glibc/cross_check.h"

namespace pagefold::ld::glibc {
namespace {

constexpr uint64_t kDescriptorSize = 12;  // three words: size in bits, number of elements, offset in bytes
constexpr uint64_t kOffsetWord = 8;

// Both as byte positions in Layout; text in place, so that the table needs no relocation.
struct Row {
  uint32_t descriptor, member;
  char name[44];
};
#define PAGEFOLD_ROW(descriptor, member) \
  { offsetof(Layout, thread_db.thread_db_##descriptor), offsetof(Layout, member), #member }
constexpr Row kRows[] = {
    PAGEFOLD_ROW(pthread_list, pthread.list),
    PAGEFOLD_ROW(pthread_tid, pthread.tid),
    PAGEFOLD_ROW(pthread_report_events, pthread.report_events),
    PAGEFOLD_ROW(pthread_specific, pthread.specific),
    PAGEFOLD_ROW(pthread_cancelhandling, pthread.cancelhandling),
    PAGEFOLD_ROW(pthread_dtvp, tcb.dtv),
    PAGEFOLD_ROW(rtld_global__dl_stack_user, rtld_global.dl_stack_user),
    PAGEFOLD_ROW(rtld_global__dl_stack_used, rtld_global.dl_stack_used),
    PAGEFOLD_ROW(rtld_global__dl_tls_dtv_slotinfo_list, rtld_global.dl_tls_dtv_slotinfo_list),
    PAGEFOLD_ROW(link_map_l_tls_offset, link_map.l_tls_offset),
    PAGEFOLD_ROW(link_map_l_tls_modid, link_map.l_tls_modid),
    PAGEFOLD_ROW(dtv_slotinfo_list_len, dtv_slotinfo_list.len),
    PAGEFOLD_ROW(dtv_slotinfo_list_next, dtv_slotinfo_list.next),
    PAGEFOLD_ROW(dtv_slotinfo_list_slotinfo, dtv_slotinfo_list.slotinfo),
    PAGEFOLD_ROW(dtv_slotinfo_map, dtv_slotinfo.map),
};
#undef PAGEFOLD_ROW

uint32_t fact(const Layout& layout, uint32_t position) {
  return *reinterpret_cast<const uint32_t*>(reinterpret_cast<const char*>(&layout) + position);
}

uint32_t word(std::span<const uint8_t> bytes, uint64_t at) {
  uint32_t value = 0;
  for (unsigned i = 0; i < 4; i++) value |= static_cast<uint32_t>(bytes[at + i]) << (8 * i);
  return value;
}

}  // namespace

DescriptorRange descriptor_range(const Layout& layout) {
  uint64_t low = UINT64_MAX, high = 0;
  for (const Row& row : kRows) {
    const uint64_t at = fact(layout, row.descriptor);
    if (at == kAbsent) continue;
    if (at < low) low = at;
    if (at + kDescriptorSize > high) high = at + kDescriptorSize;
  }
  return high ? DescriptorRange{low, high - low} : DescriptorRange{0, 0};
}

const char* contradicted_descriptor(const Layout& layout, std::span<const uint8_t> bytes) {
  const DescriptorRange range = descriptor_range(layout);
  for (const Row& row : kRows) {
    const uint64_t at = fact(layout, row.descriptor);
    if (at == kAbsent) continue;
    if (bytes.size() < range.size || word(bytes, at - range.offset + kOffsetWord) != fact(layout, row.member))
      return row.name;
  }
  return nullptr;
}

}  // namespace pagefold::ld::glibc
