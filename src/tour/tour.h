// The lecture, live: chapters in order, each telling its claims and judging them by running guests under Pagefold.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tour/lesson.h"

namespace pagefold::tour {

// All chapters, in the order of the lecture.
const std::vector<Chapter>& chapters();

// "first touch", "first-touch" and "First Touch" are one; null when there is none of that name.
const Chapter* find_chapter(std::string_view name);

// Chapters by the words typed (a chapter's name may come as one word or as several); none typed: all of them.
// ENOENT: names the word that is no chapter.
Result<std::vector<const Chapter*>> choose(const std::vector<std::string>& words);

// Tells the chapters and prints the sum at the end.
Tally tell(const std::vector<const Chapter*>& chosen, const Bench& bench, Output& output);

// One line a chapter: name, title, claims.
std::string list_of(const std::vector<Chapter>& chapters);

void tell_maps(Lesson& lesson);
void tell_first_touch(Lesson& lesson);
void tell_permissions(Lesson& lesson);
void tell_zeros(Lesson& lesson);
void tell_mmap(Lesson& lesson);
void tell_shared_and_private(Lesson& lesson);
void tell_pulling_the_plug(Lesson& lesson);
void tell_given_back(Lesson& lesson);
void tell_policy_race(Lesson& lesson);
void tell_busy(Lesson& lesson);
void tell_one_libc(Lesson& lesson);
void tell_who_loads(Lesson& lesson);
void tell_any_address(Lesson& lesson);
void tell_names(Lesson& lesson);
void tell_plt_and_got(Lesson& lesson);
void tell_pie(Lesson& lesson);
void tell_sharing(Lesson& lesson);
void tell_replace_it(Lesson& lesson);

}  // namespace pagefold::tour
