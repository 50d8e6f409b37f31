// System V shared memory: one segment, many addresses, alive until the last detaches. Source: shmop(2), shmctl(2).
#include <sys/shm.h>

#include "guest.h"

static long attached(int segment) {
  struct shmid_ds state;
  return shmctl(segment, IPC_STAT, &state) == 0 ? (long)state.shm_nattch : -1;
}

int main(void) {
  int segment = MUST(shmget(IPC_PRIVATE, 4 * PAGE, IPC_CREAT | 0600));
  char* one = MUST((char*)shmat(segment, 0, 0));
  char* two = MUST((char*)shmat(segment, 0, SHM_RDONLY));
  CHECK(all_are(one, 4 * PAGE, 0));
  strcpy(one + PAGE, "segment");
  printf("%s, %ld attached\n", two + PAGE, attached(segment));
  TOUCH(Write, two);
  pid_t child = fork_child();
  if (child == 0) {
    printf("child: %s, %ld attached\n", two + PAGE, attached(segment));
    strcpy(one + 2 * PAGE, "from the child");
    leave(0);
  }
  show_end("child", child);
  // A process may be waited for a moment before its memory is gone: some task may still be leaving it.
  for (int i = 0; i < 2000 && attached(segment) != 2; ++i) usleep(1000);
  printf("%s, %ld attached\n", two + 2 * PAGE, attached(segment));
  char* place = map_anon(8 * PAGE);
  CHECK(shmat(segment, place + PAGE, SHM_REMAP) == place + PAGE);
  printf("remapped: %s\n", place + 2 * PAGE);
  SHOW(shmctl(segment, IPC_RMID, 0));
  SHOW(shmdt(one));
  TOUCH(Read, one);
  SHOW(shmdt(one));
  SHOW(shmdt(two));
  printf("%s, %ld attached\n", place + 2 * PAGE, attached(segment));
  SHOW(shmdt(place + PAGE));
  SHOW(attached(segment));
  CHECK(shmat(segment, 0, 0) == (void*)-1 && errno == EINVAL);
  return 0;
}
