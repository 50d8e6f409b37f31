// Maps 1,000 pages and stores one byte in the first N of them (N is the argument). All else is the same for each N, so
// that two runs may be compared: what differs is the price of the touches.
#include "../common/probe.h"

#include <sys/resource.h>

enum { kPages = 1000 };
static uint64_t frames[kPages];

static long host_faults(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

int main(int argc, char** argv) {
  const size_t touch = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
  if (touch > kPages) die("usage: touch PAGES (at most 1000)");
  const size_t page = page_size();
  memset(frames, 0xff, sizeof frames);
  unsigned char* rehearsal = anonymous_pages(1, PROT_READ | PROT_WRITE);
  rehearsal[0] = 1;
  frames[0] = frame_of(rehearsal);

  unsigned char* p = anonymous_pages(kPages, PROT_READ | PROT_WRITE);
  const long before = pages_in_page_table(p, kPages);
  const long faults_before = host_faults();
  for (size_t i = 0; i < touch; i++) p[i * page + i % page] = (unsigned char)(i % 255 + 1);
  const long faults = host_faults() - faults_before;
  long kept = 0;
  for (size_t i = 0; i < touch; i++) {
    kept += p[i * page + i % page] == (unsigned char)(i % 255 + 1);
    frames[i] = frame_of(p + i * page);
  }
  tell("frame numbers visible", frame_numbers_visible());
  tell("in the page table before", before);
  tell("in the page table after", pages_in_page_table(p, kPages));
  tell("bytes that were kept", kept);
  tell("different frames", distinct(frames, touch));
  tell("faults the host counted", faults);
  return 0;
}
