// Reading the initial stack: arguments, auxiliary vector, and the LD_ variables of the environment.
#pragma once

#include <stdint.h>

namespace pagefold::ld {

void read_stack(uint64_t* stack);
void read_environment();

// Takes `count` arguments away from the front, so that the program finds its own (ld-pagefold.so prog args).
void drop_arguments(int count);

// A hand-over begins from the stack that the kernel made. Restoring does nothing if nothing was kept.
void keep_initial_stack();
void restore_initial_stack();

// Changes an entry of the auxiliary vector, if it is there.
void set_auxiliary(uint64_t type, uint64_t value);

}  // namespace pagefold::ld
