// What a mapping is a mapping of: a file, or memory shared between processes. Private anonymous memory has no object:
// its pages live in the Layer of their address space. The name, device and inode are what /proc shows in the last columns.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>

#include "base/page.h"
#include "vm/pinned.h"

namespace pagefold::vm {

class Object : public Pinnable {
 public:
  enum class Kind {
    File,    // a file whose pages are Pagefold's frames ("owned")
    Shared,  // shared anonymous memory
    Host,    // mapped by the host itself: a file somebody writes, a device, the vdso
  };

  Object(Kind kind, std::string name, dev_t device, ino_t inode)
      : kind_(kind), name_(std::move(name)), device_(device), inode_(inode) {}
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] dev_t device() const { return device_; }
  [[nodiscard]] ino_t inode() const { return inode_; }

 private:
  Kind kind_;
  std::string name_;
  dev_t device_;
  ino_t inode_;
};

using ObjectRef = std::shared_ptr<Object>;

}  // namespace pagefold::vm
