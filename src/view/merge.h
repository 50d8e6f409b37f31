// Linux shows one line for what is one mapping to it. The model may hold such a mapping in pieces (the stack: frames,
// and the argument strings that stay host memory); merging puts the pieces together again before anything is printed.
#pragma once

#include <vector>

#include "view/process_view.h"

namespace pagefold::view {

// Joins neighbours that touch and agree in protection, flags, name and, for files, in continuing offsets. Their counts
// are added and their page runs joined. Pieces of "[stack]" need to agree in protection only; the flags are united.
std::vector<MappingView> merge_adjacent(const std::vector<MappingView>& mappings);

}  // namespace pagefold::view
