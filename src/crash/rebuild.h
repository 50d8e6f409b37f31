// Writes an image to a directory.
//
// A check may have spoilt what is there in any way, so nothing of it is believed. But a file of the same name that is still plain - one
// name, our owner, no extended attributes - is written over, byte for byte, holes included: most of what a file costs on a tmpfs is
// to allocate its frames and to free them again.
#pragma once

#include <string>

#include "base/error.h"
#include "crash/image.h"

namespace pagefold::crash {

// Makes `directory` hold exactly the image; it is created if it is missing.
Result<void> rebuild(const History& history, const Image& image, const std::string& directory);

}  // namespace pagefold::crash
