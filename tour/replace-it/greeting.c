#include "greeting.h"

int greeting_version(void) { return VERSION; }

const char* greeting(void) { return VERSION == 1 ? "good day" : "good evening"; }
