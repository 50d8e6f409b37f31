// The kernel's own text formats of /proc/PID/{maps,smaps,smaps_rollup,status,statm,stat,limits}, made from the model, so that
// a guest reads there what it would read natively (fs/proc/task_mmu.c and fs/proc/array.c of Linux 6.x; proc(5)).
//
// maps, smaps, smaps_rollup and statm are the model's alone. status and stat hold much that only the host knows
// (signals, capabilities, times): they take the host's text and replace the memory fields, leaving every other byte as
// it is.
#pragma once

#include <string>
#include <string_view>

#include "view/process_view.h"
#include "view/smaps_format.h"

namespace pagefold::view {

// "r-xp": column 2 of maps.
std::string permissions(const MappingView& mapping);

// One line without its newline: "5652eed64000-5652eed66000 r--p 00000000 fe:00 247134    /usr/bin/cat".
std::string maps_line(const MappingView& mapping);

std::string maps_text(const ProcessView& process);
std::string smaps_text(const ProcessView& process, const SmapsFormat& format = host_smaps_format());
std::string smaps_rollup_text(const ProcessView& process, const SmapsFormat& format = host_smaps_format());
std::string statm_text(const ProcessView& process);

// A host text without memory fields (a zombie, a kernel thread) comes back unchanged.
std::string status_text(std::string_view host_text, const ProcessView& process);
// Replaced: minflt, majflt, vsize, rss, start_brk. start_brk stays 0 when the host hid it from the reader. The places
// of code, data, arguments and environment are the host's own: it did the exec. Not a stat line: unchanged.
std::string stat_text(std::string_view host_text, const ProcessView& process);
// Replaced: "Max data size" and "Max address space" (fs/proc/base.c, proc_pid_limits).
std::string limits_text(std::string_view host_text, const ProcessView& process);

}  // namespace pagefold::view
