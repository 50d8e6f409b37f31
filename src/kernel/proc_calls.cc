// /proc as the program should see it: opens of the files that tell about memory are answered with the model's truth.

#include "kernel/calls.h"

namespace pagefold::kernel {

void on_open(const Call& call) { call.proceed(); }
void on_openat(const Call& call) { call.proceed(); }

}  // namespace pagefold::kernel
