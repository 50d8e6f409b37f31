// See json.h. The tables below name each number once, for both directions.
#include "view/json.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <utility>

namespace pagefold::view {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 7> kStateNames = {"absent",    "clean",       "private", "shared",
                                                         "inherited", "speculative", "host"};

constexpr std::array<std::pair<const char*, Bytes PageCounts::*>, 10> kCounts = {{
    {"resident", &PageCounts::resident},
    {"proportional", &PageCounts::proportional},
    {"shared_clean", &PageCounts::shared_clean},
    {"shared_dirty", &PageCounts::shared_dirty},
    {"private_clean", &PageCounts::private_clean},
    {"private_dirty", &PageCounts::private_dirty},
    {"anonymous", &PageCounts::anonymous},
    {"speculative", &PageCounts::speculative},
    {"swap", &PageCounts::swap},
    {"locked", &PageCounts::locked},
}};

constexpr std::array<std::pair<const char*, bool MappingView::*>, 14> kFlags = {{
    {"read", &MappingView::read},
    {"write", &MappingView::write},
    {"execute", &MappingView::execute},
    {"shared", &MappingView::shared},
    {"host_mapped", &MappingView::host_mapped},
    {"file", &MappingView::file},
    {"grows_down", &MappingView::grows_down},
    {"locked", &MappingView::locked},
    {"dont_fork", &MappingView::dont_fork},
    {"wipe_on_fork", &MappingView::wipe_on_fork},
    {"dont_dump", &MappingView::dont_dump},
    {"no_reserve", &MappingView::no_reserve},
    {"may_write", &MappingView::may_write},
    {"was_writable", &MappingView::was_writable},
}};

json counts_to_json(const PageCounts& counts) {
  json object;
  for (const auto& [key, member] : kCounts) object[key] = counts.*member;
  return object;
}

PageCounts counts_from_json(const json& object) {
  PageCounts counts;
  for (const auto& [key, member] : kCounts) counts.*member = object.at(key).get<Bytes>();
  return counts;
}

PageState state_from_name(const std::string& name) {
  const auto* found = std::ranges::find(kStateNames, name);
  if (found == kStateNames.end()) throw std::invalid_argument("unknown page state " + name);
  return static_cast<PageState>(found - kStateNames.begin());
}

json mapping_to_json(const MappingView& mapping) {
  json object = {{"start", mapping.range.start}, {"end", mapping.range.end}, {"offset", mapping.offset},
                 {"inode", mapping.inode},       {"name", mapping.name},     {"pages", counts_to_json(mapping.pages)}};
  object["device"] = {major(mapping.device), minor(mapping.device)};
  for (const auto& [key, member] : kFlags) object["flags"][key] = mapping.*member;
  if (mapping.runs.empty()) return object;
  for (const PageRun& run : mapping.runs) {
    object["page_states"].push_back(
        {{"start", run.start}, {"count", run.count}, {"state", page_state_name(run.state)}});
  }
  return object;
}

MappingView mapping_from_json(const json& object) {
  MappingView mapping;
  mapping.range = {object.at("start").get<VirtAddr>(), object.at("end").get<VirtAddr>()};
  mapping.offset = object.at("offset").get<Bytes>();
  mapping.inode = object.at("inode").get<ino_t>();
  mapping.name = object.at("name").get<std::string>();
  mapping.pages = counts_from_json(object.at("pages"));
  const auto device = object.at("device").get<std::array<unsigned, 2>>();
  mapping.device = makedev(device[0], device[1]);
  for (const auto& [key, member] : kFlags) mapping.*member = object.at("flags").at(key).get<bool>();
  const auto states = object.find("page_states");
  if (states == object.end()) return mapping;
  for (const json& run : *states) {
    mapping.runs.push_back({run.at("start").get<VirtAddr>(), run.at("count").get<PageIndex>(),
                            state_from_name(run.at("state").get<std::string>())});
  }
  return mapping;
}

ProcessView process_of(const json& object) {
  ProcessView process;
  process.pid = object.at("pid").get<pid_t>();
  process.parent = object.at("parent").get<pid_t>();
  process.uid = object.at("uid").get<uid_t>();
  process.threads = object.at("threads").get<unsigned>();
  process.comm = object.at("comm").get<std::string>();
  process.exe = object.at("exe").get<std::string>();
  process.arguments = object.at("arguments").get<std::vector<std::string>>();
  process.heap = {object.at("heap").at("start").get<VirtAddr>(), object.at("heap").at("end").get<VirtAddr>()};
  process.stack_size = object.at("stack_size").get<Bytes>();
  process.peak_virtual = object.at("peak_virtual").get<Bytes>();
  process.peak_resident = object.at("peak_resident").get<Bytes>();
  process.pinned = object.at("pinned").get<Bytes>();
  process.major_faults = object.at("major_faults").get<std::uint64_t>();
  process.minor_faults = object.at("minor_faults").get<std::uint64_t>();
  process.virtual_size = object.at("virtual_size").get<Bytes>();
  process.pages = counts_from_json(object.at("pages"));
  const auto mappings = object.find("mappings");
  if (mappings == object.end()) return process;
  for (const json& mapping : *mappings) process.mappings.push_back(mapping_from_json(mapping));
  return process;
}

// nlohmann reports what is wrong in a document by exceptions; they end here.
template <class Read>
auto read_document(Read read) -> Result<decltype(read())> {
  try {
    return read();
  } catch (const std::exception& wrong) {
    return fail(EBADMSG, wrong.what());
  }
}

}  // namespace

std::string_view page_state_name(PageState state) {
  const auto index = static_cast<std::size_t>(state);
  return index < kStateNames.size() ? kStateNames[index] : std::string_view("unknown");
}

json to_json(const ProcessView& process, WithMappings with_mappings) {
  json object = {{"pid", process.pid},
                 {"parent", process.parent},
                 {"uid", process.uid},
                 {"threads", process.threads},
                 {"comm", process.comm},
                 {"exe", process.exe},
                 {"arguments", process.arguments},
                 {"heap", {{"start", process.heap.start}, {"end", process.heap.end}}},
                 {"stack_size", process.stack_size},
                 {"peak_virtual", process.peak_virtual},
                 {"peak_resident", process.peak_resident},
                 {"pinned", process.pinned},
                 {"major_faults", process.major_faults},
                 {"minor_faults", process.minor_faults},
                 {"virtual_size", process.virtual_size},
                 {"pages", counts_to_json(process.pages)}};
  if (with_mappings == WithMappings::No) return object;
  json& mappings = object["mappings"] = json::array();
  for (const MappingView& mapping : process.mappings) mappings.push_back(mapping_to_json(mapping));
  return object;
}

Result<ProcessView> process_from_json(const json& object) {
  return read_document([&object] { return process_of(object); });
}

json list_to_json(const std::vector<ProcessView>& processes) {
  json list = json::array();
  for (const ProcessView& process : processes) list.push_back(to_json(process, WithMappings::No));
  return {{"schema_version", kSchemaVersion}, {"processes", std::move(list)}};
}

Result<std::vector<ProcessView>> list_from_json(const json& object) {
  return read_document([&object] {
    std::vector<ProcessView> processes;
    for (const json& process : object.at("processes")) processes.push_back(process_of(process));
    return processes;
  });
}

json document(const ProcessView& process) {
  return {{"schema_version", kSchemaVersion}, {"process", to_json(process)}};
}

std::string dump(const json& object, int indent) {
  return object.dump(indent, ' ', false, json::error_handler_t::replace);
}

}  // namespace pagefold::view
