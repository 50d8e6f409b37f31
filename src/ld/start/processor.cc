#include "ld/start/processor.h"

#include "ld/module/module.h"
#include "ld/start/process.h"

namespace pagefold::ld {
namespace {

constinit glibc::CpuFeatures features = {};
bool known = false;

void ask() {
  if (features.minor == world.build->minor) return;
  glibc::Cpuid cpuid;
  features = {};
  known = glibc::detect(features, cpuid, world.build->minor, process.hwcap2);
  features.minor = world.build->minor;
}

}  // namespace

const glibc::CpuFeatures& processor() {
  ask();
  return features;
}

bool processor_is_known() {
  ask();
  return known;
}

const char* platform_name() { return processor().platform[0] != '\0' ? features.platform : process.platform; }

}  // namespace pagefold::ld
