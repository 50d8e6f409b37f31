// One of two programs that use the library: it sings.
#include "answering.h"

static void sing(char* words, size_t size) { snprintf(words, size, "%s, %s!", greeting(), greeting()); }

int main(void) { return answer_until_input_ends(sing); }
