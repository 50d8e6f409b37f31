// The notes of a file: who built it (build-id), which kernel it wants (ABI tag). Walks a PT_NOTE's bytes; a note that
// claims more than is there ends the walk. Source: gABI chapter 5 "Note Section"; alignment 4, or 8 for
// PT_GNU_PROPERTY.
#pragma once

#include "elf/bytes.h"
#include "elf/format.h"

namespace pagefold::elf {

struct Note {
  uint32_t type = 0;
  Bytes name;  // with its terminating zero
  Bytes description;

  bool is_gnu() const {
    return name.size() == 4 && name.data()[0] == 'G' && name.data()[1] == 'N' && name.data()[2] == 'U' &&
           name.data()[3] == 0;
  }
};

// visit(Note) -> true to stop.
template <class Visit>
void for_each_note(Bytes notes, uint64_t align, Visit&& visit) {
  const uint64_t unit = align == 8 ? 8 : 4;
  const auto up = [unit](uint64_t n) { return (n + unit - 1) & ~(unit - 1); };
  uint64_t at = 0;
  for (;;) {
    const auto* head = notes.at<Elf64_Nhdr>(at);  // the same in both classes
    if (head == nullptr) return;
    const uint64_t name_at = at + sizeof(Elf64_Nhdr);
    const uint64_t description_at = up(name_at + head->n_namesz);
    if (!notes.holds(name_at, head->n_namesz) || !notes.holds(description_at, head->n_descsz)) return;
    const Note note{head->n_type, Bytes(notes.data() + name_at, head->n_namesz),
                    Bytes(notes.data() + description_at, head->n_descsz)};
    if (visit(note)) return;
    at = up(description_at + head->n_descsz);
  }
}

inline Bytes build_id(Bytes notes, uint64_t align) {
  Bytes found;
  for_each_note(notes, align, [&](const Note& note) {
    if (note.type != NT_GNU_BUILD_ID || !note.is_gnu()) return false;
    found = note.description;
    return true;
  });
  return found;
}

}  // namespace pagefold::elf
