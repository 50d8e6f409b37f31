// Four neighbouring pages, each given a permission of its own: the system cuts at multiples of 4 KiB, nowhere else.
#include "../common/probe.h"

int main(void) {
  const size_t page = page_size();
  unsigned char* p = anonymous_pages(4, PROT_READ | PROT_WRITE);
  const int wanted[4] = {PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE, PROT_READ | PROT_EXEC};
  const char* letters[4] = {"rw-p", "r--p", "---p", "r-xp"};
  for (size_t i = 0; i < 4; i++)
    if (mprotect(p + i * page, page, wanted[i]) != 0) die("mprotect");
  long as_asked = 0, cuts_at_pages = 0;
  for (size_t i = 0; i < 4; i++) {
    struct mapping m;
    if (!find_mapping(p + i * page, &m)) die("find_mapping");
    printf("%lx-%lx %s\n", m.start, m.end, m.permissions);
    as_asked += strcmp(m.permissions, letters[i]) == 0;
    cuts_at_pages += m.start % page == 0 && m.end % page == 0;
  }
  tell("page size", (long)page);
  tell("pages with the permission asked for", as_asked);
  tell("ranges that begin and end at a multiple", cuts_at_pages);
  errno = 0;
  const int refused = mprotect(p + 1, page, PROT_READ) == -1 && errno == EINVAL;
  tell("mprotect inside a page is EINVAL", refused);
  return 0;
}
