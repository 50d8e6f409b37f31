// What can be told of living guests: views of their address spaces, taken from the model under its locks.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <string_view>

#include "cache/file_object.h"
#include "frame/shared_object.h"
#include "kernel/process/host_proc.h"
#include "kernel/memory/mm_limits.h"
#include "kernel/pressure/pressure.h"
#include "kernel/supervisor.h"

namespace pagefold::kernel {
namespace {

using view::MappingView;
using view::PageRun;
using view::PageState;

// How many spaces have mapped each page of an object: the sets of all spaces that have any.
using Mappers = std::vector<vm::PageSet>;

// What a file is called now: the host knows whether it has been renamed or removed since it was mapped.
std::string name_today(const vm::Vma& v) {
  const vm::Object& object = *v.object;
  const auto* file = dynamic_cast<const cache::FileObject*>(&object);
  const auto* host = dynamic_cast<const cache::HostObject*>(&object);
  const int fd = v.opened_as ? v.opened_as->get() : file != nullptr ? file->file() : host != nullptr ? host->place() : -1;
  if (fd < 0) return object.name();
  std::error_code unknown;
  const auto link = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd), unknown);
  return link.native().starts_with('/') ? link.native() : object.name();
}

std::string display_name(const vm::Vma& v) {
  switch (v.tag) {
    case vm::Tag::Heap: return "[heap]";
    case vm::Tag::Stack: return "[stack]";
    default: return v.object ? name_today(v) : std::string();
  }
}

void add_run(std::vector<PageRun>& runs, VirtAddr start, PageIndex count, PageState state) {
  if (count == 0) return;
  if (!runs.empty() && runs.back().state == state)
    runs.back().count += count;
  else
    runs.push_back({start, count, state});
}

PageState layer_state(const vm::Layer& layer, PageIndex page) {
  if (layer.speculative().test(page)) return PageState::Speculative;
  if (layer.present().test(page)) return PageState::Private;
  return layer.inherited().test(page) ? PageState::Inherited : PageState::Absent;
}

// Pages that this space and a relative by fork see in one frame: inherited ones, and own ones that heirs still inherit.
PageIndex shared_pages(const vm::Layer& layer, PageIndex first, PageIndex last) {
  PageIndex count = layer.inherited().count_range(first, last);
  if (!layer.has_heirs()) return count;
  layer.guarded().for_each_run(first, last, [&](PageIndex from, PageIndex to) {
    for (PageIndex page = from; page < to; ++page) count += layer.has_heirs(page) ? 1 : 0;
  });
  return count;
}

void describe_layer(const Space& space, const vm::Vma& v, MappingView& out, bool with_pages) {
  const std::lock_guard family(space.layer->mutex());
  const vm::Layer& layer = *space.layer;
  const PageIndex first = page_of(v.layer), last = first + v.range.pages();
  out.pages.swap = bytes_of(layer.frames().out(first, last));
  const Bytes resident =
      bytes_of(layer.present().count_range(first, last) + layer.inherited().count_range(first, last)) - out.pages.swap;
  out.pages.resident = out.pages.anonymous = resident;
  out.pages.shared_dirty = std::min(resident, bytes_of(shared_pages(layer, first, last)));
  out.pages.private_dirty = resident - out.pages.shared_dirty;
  out.pages.proportional = out.pages.private_dirty + out.pages.shared_dirty / 2;
  out.pages.speculative = bytes_of(layer.speculative().count_range(first, last));
  if (!with_pages) return;
  for (PageIndex page = first; page < last;) {
    const PageState state = layer_state(layer, page);
    PageIndex end = page + 1;
    if (state == PageState::Absent) end = std::min(layer.present().next(page, last), layer.inherited().next(page, last));
    else while (end < last && layer_state(layer, end) == state) ++end;
    add_run(out.runs, v.range.start + bytes_of(page - first), end - page, state);
    page = end;
  }
}

// What has become of a page that page tables were once given: under a memory limit its frame may have gone since.
enum class Frame { There, Swapped, Gone };
Frame frame_of(const vm::Object& object, PageIndex page) {
  if (const auto* file = dynamic_cast<const cache::FileObject*>(&object))
    return file->resident(page) ? Frame::There : Frame::Gone;
  const auto* shared = dynamic_cast<const frame::SharedObject*>(&object);
  return shared != nullptr && shared->frames().is_out(page) ? Frame::Swapped : Frame::There;
}

void describe_object(const Space& space, const vm::Vma& v, const Mappers& mappers, MappingView& out, bool with_pages) {
  const auto it = space.mapped_pages.find(v.object.get());
  const vm::PageSet none;
  const vm::PageSet& mapped = it == space.mapped_pages.end() ? none : it->second;
  const bool file = v.object->kind() == vm::Object::Kind::File;
  const PageIndex first = page_of(v.offset), last = first + v.range.pages();
  std::unique_lock<std::mutex> contents;
  if (auto* shared = dynamic_cast<frame::SharedObject*>(v.object.get())) contents = std::unique_lock(shared->mutex);
  for (PageIndex page = mapped.next(first, last); page < last; page = mapped.next(page + 1, last)) {
    const Frame frame = pressure() != nullptr ? frame_of(*v.object, page) : Frame::There;
    if (frame == Frame::Swapped) out.pages.swap += kPageSize;
    if (frame != Frame::There) continue;
    const auto sharers = static_cast<Bytes>(std::count_if(mappers.begin(), mappers.end(), [&](const auto& m) { return m.test(page); }));
    out.pages.resident += kPageSize;
    out.pages.proportional += kPageSize / std::max<Bytes>(1, sharers);
    Bytes& kind = file ? (sharers > 1 ? out.pages.shared_clean : out.pages.private_clean)
                       : (sharers > 1 ? out.pages.shared_dirty : out.pages.private_dirty);
    kind += kPageSize;
  }
  if (!with_pages) return;
  for (PageIndex page = first; page < last;) {
    const bool here = mapped.test(page);
    const PageIndex end = here ? mapped.next_gap(page, last) : mapped.next(page, last);
    const PageState state = !here ? PageState::Absent : file ? PageState::Clean : PageState::Shared;
    add_run(out.runs, v.range.start + bytes_of(page - first), end - page, state);
    page = end;
  }
}

// Host-mapped memory is the host's business, but its share is known: smaps of the host says it for the very range.
void describe_host(const vm::Vma& v, MappingView& out, bool with_pages) {
  out.host_mapped = v.tag != vm::Tag::Special;
  if (v.tag == vm::Tag::Stack) {
    out.pages.resident = out.pages.proportional = out.pages.private_dirty = out.pages.anonymous = v.range.size();
  }
  if (with_pages) add_run(out.runs, v.range.start, v.range.pages(), PageState::Host);
}

MappingView describe(const Space& space, const vm::Vma& v, const std::map<const vm::Object*, Mappers>& mappers, bool with_pages) {
  MappingView out;
  out.range = v.range;
  out.read = (v.prot & vm::kRead) != 0;
  out.write = v.writable();
  out.execute = (v.prot & vm::kExec) != 0;
  out.shared = v.shared;
  out.may_write = (v.may & vm::kWrite) != 0;
  out.was_writable = !v.shared && (v.writable() || (v.object && v.layered));
  out.name = display_name(v);
  if (v.object) {
    out.offset = v.tag == vm::Tag::Stack ? 0 : v.offset;
    out.device = v.object->device();
    out.inode = v.object->inode();
    out.file = v.object->inode() != 0;
  }
  out.grows_down = v.grows_down || v.tag == vm::Tag::Stack;
  out.locked = v.locked;
  out.dont_fork = v.dont_fork;
  out.wipe_on_fork = v.wipe_on_fork;
  out.dont_dump = v.dont_dump;
  out.no_reserve = v.no_reserve;
  if (v.host()) {
    describe_host(v, out, with_pages);
  } else if (v.object && !v.layered) {
    const auto it = mappers.find(v.object.get());
    describe_object(space, v, it == mappers.end() ? Mappers{} : it->second, out, with_pages);
  } else {
    describe_layer(space, v, out, with_pages);
  }
  if (v.locked) out.pages.locked = out.pages.proportional;
  return out;
}

std::vector<std::string> split_arguments(const std::string& text) {
  std::vector<std::string> arguments;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\0', at), text.size());
    arguments.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return arguments;
}

void identify(pid_t pid, view::ProcessView& out) {
  out.pid = pid;
  out.parent = std::stoi(host_status_field(pid, "PPid:").value_or("0"));
  out.uid = static_cast<uid_t>(std::stoul(host_status_field(pid, "Uid:").value_or("0")));
  out.threads = static_cast<unsigned>(std::stoul(host_status_field(pid, "Threads:").value_or("1")));
  if (auto comm = read_host_file(fmt::format("/proc/{}/comm", pid))) out.comm = comm->substr(0, comm->find('\n'));
  if (const auto line = read_host_file(fmt::format("/proc/{}/cmdline", pid))) out.arguments = split_arguments(*line);
}

}  // namespace

std::vector<view::ProcessView> Supervisor::processes() {
  std::vector<view::ProcessView> all;
  for (const pid_t pid : guests_.processes()) {
    auto one = process(pid, view::WithPages::No);
    if (one) all.push_back(std::move(*one));
  }
  return all;
}

Result<view::ProcessView> Supervisor::process(pid_t pid, view::WithPages with_pages) {
  const SpaceRef space = guests_.space_of(pid);
  if (!space) return fail(ESRCH, fmt::format("process {}", pid));
  std::map<const vm::Object*, Mappers> mappers;
  for (const SpaceRef& other : guests_.spaces()) {
    const std::lock_guard lock(other->mutex);
    for (const auto& [object, pages] : other->mapped_pages) mappers[object].push_back(pages);
  }
  view::ProcessView out;
  identify(pid, out);
  const std::lock_guard lock(space->mutex);
  out.exe = space->program;
  out.heap = {space->brk_start, space->brk};
  out.peak_virtual = space->map.peak_mapped();
  const MemoryLimits limits = memory_limits(*space, pid);
  out.address_space = {limits.address_space.rlim_cur, limits.address_space.rlim_max};
  out.data = {limits.data.rlim_cur, limits.data.rlim_max};
  out.major_faults = space->major_faults;
  out.minor_faults = space->minor_faults;
  Bytes resident = 0;
  for (const auto& [start, v] : space->map.all()) {
    out.mappings.push_back(describe(*space, v, mappers, with_pages == view::WithPages::Yes));
    resident += out.mappings.back().pages.resident;
    if (v.tag == vm::Tag::Stack) out.stack_size += v.range.size();
  }
  space->peak_resident = std::max(space->peak_resident, resident);
  out.peak_resident = space->peak_resident;
  return out;
}

}  // namespace pagefold::kernel
