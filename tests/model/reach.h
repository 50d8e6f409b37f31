// What an address reaches through a piece of the host's mappings, as far as the model tests compare it.
#pragma once

#include "pmap/host_map.h"

namespace pagefold::pmap {

struct Reach {
  HostPiece::Kind kind = HostPiece::Kind::Layer;
  vm::Prot prot = vm::kNone;
  PageIndex store_page = 0;
  const vm::Object* object = nullptr;
  friend bool operator==(const Reach&, const Reach&) = default;
};

inline Reach reach_at(const HostPiece& p, VirtAddr a) {
  return {p.kind, p.prot, page_of(p.offset + (a - p.range.start)), p.object.get()};
}

}  // namespace pagefold::pmap
