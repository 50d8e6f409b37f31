// A file whose page does not come (its file system's daemon does not answer, and is a child of this very program) stops
// the thread that touches it and nobody else; when the answer comes, the touch succeeds; when the daemon dies, SIGBUS.
// Source: fuse(4), Documentation/filesystems/fuse. Needs root and /dev/fuse; the mount lives in an own namespace.
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include "guest.h"

enum { kRoot = 1, kFile = 2 };
static volatile int* shared;  // 0: reads wait; 1: reads are answered
enum { kFileLength = 4 * 4096 };

static void answer(int device, uint64_t unique, int error, const void* data, size_t length) {
  struct fuse_out_header header = {(uint32_t)(sizeof header + length), -error, unique};
  struct iovec parts[2] = {{&header, sizeof header}, {(void*)data, length}};
  (void)!writev(device, parts, 2);
}

static struct fuse_attr attributes(uint64_t node) {
  return (struct fuse_attr){.ino = node,
                            .size = node == kFile ? kFileLength : 0,
                            .nlink = 1,
                            .blksize = 4096,
                            .mode = node == kFile ? S_IFREG | 0644 : S_IFDIR | 0755};
}

static void serve_one(int device, const struct fuse_in_header* request) {
  const void* body = request + 1;
  static char page[4 * 4096];
  struct fuse_entry_out entry = {.nodeid = kFile, .entry_valid = 1000, .attr_valid = 1000, .attr = attributes(kFile)};
  struct fuse_attr_out attribute = {.attr_valid = 1000, .attr = attributes(request->nodeid)};
  struct fuse_open_out opened = {0};
  struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096, .max_background = 4};
  const struct fuse_read_in* wanted = body;
  switch (request->opcode) {
    case FUSE_INIT:
      return answer(device, request->unique, 0, &init, sizeof init);
    case FUSE_LOOKUP:
      return answer(device, request->unique, strcmp(body, "slow") ? ENOENT : 0, &entry,
                    strcmp(body, "slow") ? 0 : sizeof entry);
    case FUSE_GETATTR:
      return answer(device, request->unique, 0, &attribute, sizeof attribute);
    case FUSE_OPEN:
    case FUSE_OPENDIR:
      return answer(device, request->unique, 0, &opened, sizeof opened);
    case FUSE_READ:
      while (__atomic_load_n(shared, __ATOMIC_SEQ_CST) == 0) usleep(1000);
      memset(page, 's', sizeof page);
      size_t left = wanted->offset < kFileLength ? kFileLength - wanted->offset : 0;
      return answer(device, request->unique, 0, page, wanted->size < left ? wanted->size : left);
    case FUSE_FORGET:
      return;
    default:
      return answer(device, request->unique, ENOSYS, 0, 0);
  }
}

static void daemon_process(int device) {
  static char request[1 << 17];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) {
    ssize_t length = read(device, request, sizeof request);
    if (length <= 0 && errno == ENODEV) _exit(0);
    if (length > 0) serve_one(device, (struct fuse_in_header*)request);
  }
}

static pid_t mount_slow(int* device) {
  char options[128];
  *device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (*device < 0) skip("/dev/fuse cannot be opened");
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", *device);
  if (mount("slow", "mount", "fuse", MS_NOSUID | MS_NODEV, options) != 0) skip("a fuse file system cannot be mounted");
  pid_t daemon = fork_child();
  if (daemon == 0) daemon_process(*device);
  return daemon;
}

// A reader that says when it came through, and with what; exit code 7 after SIGBUS.
static pid_t reader(int device, int result) {
  pid_t child = fork_child();
  if (child != 0) return child;
  close(device);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int fd = MUST(open("mount/slow", O_RDONLY));
  char* area = MUST((char*)mmap(0, kFileLength, PROT_READ, MAP_PRIVATE, fd, 0));
  MUST(write(result, "m", 1));
  const char* end = touch(area + 100, Read);
  MUST(write(result, end[0] == 'o' ? area + 100 : "!", 1));
  _exit(strcmp(end, "SIGBUS/ADRERR") == 0 ? 7 : 0);
}

static bool answered(int fd, int milliseconds) { return poll(&(struct pollfd){fd, POLLIN, 0}, 1, milliseconds) == 1; }

// What others do in the meantime: faults, mappings, forks, files.
static int others_work(void) {
  int good = 0;
  int fd = make_file("plain", 8 * PAGE);
  for (int round = 0; round < 100; ++round) {
    char* area = map_anon(16 * PAGE);
    memset(area, 'o', 16 * PAGE);
    char* file = map_island(8 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    good += area[PAGE] == 'o' && file[7 * PAGE] == 'H';
    if (round % 20 == 0) {
      int status;
      pid_t child = MUST(fork());
      if (child == 0) _exit(all_are(area, 16 * PAGE, 'o') ? 0 : 1);
      good += waitpid(child, &status, 0) == child && status == 0;
    }
    munmap(file, 8 * PAGE);
    munmap(area, 16 * PAGE);
  }
  return good;
}

int main(void) {
  if (geteuid() != 0) skip("mounting needs root");
  if (unshare(CLONE_NEWNS) != 0 || mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) != 0) skip("no own mount namespace");
  alarm(25);
  MUST(mkdir("mount", 0755));
  shared = (volatile int*)map_shared(PAGE);
  for (int dies = 0; dies < 2; ++dies) {
    printf("-- the daemon %s\n", dies ? "dies" : "answers late");
    *shared = 0;
    int device, ends[2];
    char byte;
    MUST(pipe(ends));
    pid_t daemon = mount_slow(&device);
    pid_t child = reader(device, ends[1]);
    MUST(read(ends[0], &byte, 1));
    printf("mapped, touched: %s\n", answered(ends[0], 100) ? "came through" : "waits");
    printf("others did %d\n", others_work());
    printf("still: %s\n", answered(ends[0], 0) ? "came through" : "waits");
    close(device);
    if (dies)
      kill(daemon, SIGKILL);
    else
      *shared = 1;
    printf("then: %s\n", answered(ends[0], 8000) ? "came through" : "WAITS");
    MUST(read(ends[0], &byte, 1));
    printf("with %c\n", byte);
    show_end("reader", child);
    if (!dies) kill(daemon, SIGKILL);
    show_end("daemon", daemon);
    MUST(umount2("mount", MNT_DETACH));
  }
  return 0;
}
