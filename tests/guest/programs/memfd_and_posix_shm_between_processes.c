// Memory objects with and without names, mapped by unrelated processes: memfd passed over a socket, shm_open by name,
// seals. Source: memfd_create(2), shm_overview(7), unix(7), fcntl(2).
#include <sys/socket.h>

#include "guest.h"

static void send_descriptor(int socket, int fd) {
  char control[CMSG_SPACE(sizeof fd)] = {0}, byte = 'x';
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  MUST(sendmsg(socket, &message, 0));
}

static int receive_descriptor(int socket) {
  char control[CMSG_SPACE(sizeof(int))], byte;
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  MUST(recvmsg(socket, &message, 0));
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

static void passed_over_a_socket(void) {
  int ends[2];
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  pid_t child = fork_child();
  if (child == 0) {
    int fd = receive_descriptor(ends[1]);
    char* area = map_island(4 * PAGE, RW, MAP_SHARED, fd, 0);
    printf("child got %s\n", area + PAGE);
    strcpy(area + 2 * PAGE, "an answer");
    leave(0);
  }
  int fd = MUST(memfd_create("object", MFD_ALLOW_SEALING));
  MUST(ftruncate(fd, 4 * PAGE));
  char* area = map_island(4 * PAGE, RW, MAP_SHARED, fd, 0);
  strcpy(area + PAGE, "a question");
  send_descriptor(ends[0], fd);
  show_end("child", child);
  printf("parent got %s\n", area + 2 * PAGE);
  char text[16] = "";
  MUST(pread(fd, text, 10, 2 * PAGE));
  printf("read %s\n", text);
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
  SHOW(ftruncate(fd, PAGE));
  MUST(munmap(area, 4 * PAGE));
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  SHOW_MAP(mmap(0, PAGE, RW, MAP_SHARED, fd, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_SHARED, fd, 0));
  SHOW_MAP(mmap(0, PAGE, RW, MAP_PRIVATE, fd, 0));
  SHOW(pwrite(fd, "x", 1, 0));
}

static void by_name(void) {
  char name[64];
  snprintf(name, sizeof name, "/pagefold-guest-%d", getpid());
  int fd = MUST(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
  SHOW(ftruncate(fd, 2 * PAGE));
  char* area = map_island(2 * PAGE, RW, MAP_SHARED, fd, 0);
  pid_t child = fork_child();
  if (child == 0) {
    int again = MUST(shm_open(name, O_RDWR, 0));
    char* mine = map_island(2 * PAGE, RW, MAP_SHARED, again, 0);
    strcpy(mine + PAGE, "by name");
    leave(0);
  }
  show_end("child", child);
  printf("%s\n", area + PAGE);
  SHOW(shm_unlink(name));
  printf("%s\n", area + PAGE);
  SHOW(shm_open(name, O_RDWR, 0));
}

int main(void) {
  passed_over_a_socket();
  by_name();
  return 0;
}
