// One of two programs that use the library: it speaks.
#include "answering.h"

static void speak(char* words, size_t size) { snprintf(words, size, "%s.", greeting()); }

int main(void) { return answer_until_input_ends(speak); }
