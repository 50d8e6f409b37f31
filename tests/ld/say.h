// Put before every source of a scene (-include): how libraries and programs tell what they see. Straight to the
// descriptor, so that the order of the lines is the order of events and nothing is lost when the process dies.
#define _GNU_SOURCE 1
#ifdef __cplusplus
extern "C"
#endif
    int
    dprintf(int descriptor, const char* format, ...);
#define say(...) dprintf(1, __VA_ARGS__)
#define ON_LOAD __attribute__((constructor)) static void
#define ON_UNLOAD __attribute__((destructor)) static void
