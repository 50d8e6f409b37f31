// What libc and programs may see of this object; everything else is hidden (-fvisibility=hidden), names and versions by
// exports.map.
#pragma once

#ifdef PAGEFOLD_LD_EXPORTS_HIDDEN  // tests link these functions into a program, where they must not take the place of
                                   // libc's
#define PAGEFOLD_EXPORT extern "C" __attribute__((visibility("hidden")))
#else
#define PAGEFOLD_EXPORT extern "C" __attribute__((visibility("default")))
#endif
