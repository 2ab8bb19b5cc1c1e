// SPDX-License-Identifier: Apache-2.0
#include "target/memory_limit.h"

#include "target/kernel_file.h"
#include "target/memory_usage.h"

#include <algorithm>

#include <unistd.h>

namespace leakbpf {

namespace {

// cgroup v1 says "none" by the largest number of pages that fits: just below 2^63 bytes, whatever
// the page size. No machine has half of that.
constexpr std::uint64_t no_limit = 1ULL << 62;

/// Names of the files, kernel documentation "Control Group v2" and "Memory Resource Controller".
struct GroupFiles {
  std::string_view limit;
  std::string_view usage;
  std::string_view inactive; ///< key in memory.stat of what is counted with all groups below
};

constexpr GroupFiles group_files(CgroupVersion version) {
  if (version == CgroupVersion::v1)
    return {"/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file"};
  return {"/memory.max", "/memory.current", "inactive_file"};
}

std::optional<std::string> read_in(const MemoryGroup& group, std::string_view file) {
  return read_kernel_file(group.directory + std::string(file));
}

/// Nothing also for "max".
std::optional<std::uint64_t> number_in(const MemoryGroup& group, std::string_view file) {
  const auto text = read_in(group, file);
  return text ? leading_number(*text) : std::nullopt;
}

std::optional<std::uint64_t> read_working_set(const MemoryGroup& group, const GroupFiles& files) {
  const auto usage = number_in(group, files.usage);
  const auto stat = read_in(group, "/memory.stat");
  if (!usage || !stat)
    return std::nullopt;
  const std::uint64_t inactive = number_after(*stat, files.inactive).value_or(0);
  return *usage > inactive ? *usage - inactive : 0; // they are not read at the same moment
}

/// The value of `key` in `cache`, made by `read` when it is not there yet.
template <class Value, class Read>
const Value& once(std::unordered_map<std::string, Value>& cache, const std::string& key,
                  const Read& read) {
  const auto found = cache.find(key);
  return found != cache.end() ? found->second : cache.emplace(key, read()).first->second;
}

LimitState limit_state(std::uint64_t bytes, std::string source, std::uint64_t used) {
  return {{bytes, std::move(source)}, used, bytes > used ? bytes - used : 0};
}

} // namespace

MemoryLimits::MemoryLimits(const ProcFs& proc, const MemoryFiles& files)
    : proc_(proc), meminfo_(files.meminfo),
      hierarchy_(read_kernel_file(files.mountinfo).value_or("")) {}

std::optional<LimitState> MemoryLimits::read(pid_t pid) const {
  return MemoryLimitSample(*this).read(pid);
}

std::optional<std::uint64_t> MemoryLimits::cgroup_usage(pid_t pid) const {
  return MemoryLimitSample(*this).cgroup_usage(pid);
}

const std::optional<MemoryLimitSample::Ram>& MemoryLimitSample::ram() {
  if (!ram_) {
    const std::string text = read_kernel_file(limits_.meminfo_).value_or("");
    const auto total = number_after(text, "MemTotal:");
    const auto available = number_after(text, "MemAvailable:");
    ram_.emplace();
    if (total && available)
      *ram_ = Ram{*total * 1024, std::min(*available, *total) * 1024};
  }
  return *ram_;
}

MemoryLimitSample::GroupLimit MemoryLimitSample::read_group_limit(const MemoryGroup& group,
                                                                  bool outermost) {
  const bool v1 = limits_.hierarchy_.version() == CgroupVersion::v1;
  GroupLimit limit;
  if (v1 && outermost)
    // Groups further out may bind, too, although only a part of the hierarchy is mounted.
    limit.bytes =
        number_after(read_in(group, "/memory.stat").value_or(""), "hierarchical_memory_limit");
  else
    limit.bytes = number_in(group, group_files(limits_.hierarchy_.version()).limit);
  if (limit.bytes && (*limit.bytes >= no_limit || (ram() && *limit.bytes > ram()->total)))
    limit.bytes.reset();
  // Before Linux 5.11 a v1 group could count without the groups below it.
  if (limit.bytes && v1)
    limit.inherited = number_in(group, "/memory.use_hierarchy").value_or(1) != 0;
  return limit;
}

std::optional<LimitState> MemoryLimitSample::cgroup_limit(pid_t pid) {
  const auto groups = limits_.hierarchy_.groups(limits_.proc_.cgroup(pid));
  const MemoryGroup* binding = nullptr;
  std::uint64_t smallest = no_limit;
  for (const MemoryGroup& group : groups) {
    const GroupLimit& limit = once(group_limits_, group.directory, [&] {
      return read_group_limit(group, &group == &groups.back());
    });
    const bool applies = limit.inherited || &group == &groups.front();
    if (limit.bytes && applies && *limit.bytes < smallest) {
      smallest = *limit.bytes;
      binding = &group;
    }
  }
  if (!binding)
    return std::nullopt;
  const auto used = once(working_sets_, binding->directory, [&] {
    return read_working_set(*binding, group_files(limits_.hierarchy_.version()));
  });
  if (!used)
    return std::nullopt;
  return limit_state(smallest, "cgroup " + binding->path, *used);
}

std::optional<LimitState> MemoryLimitSample::address_space_limit(pid_t pid,
                                                                 const std::string& limits) {
  const auto soft = number_after(limits, "Max address space"); // nothing: "unlimited"
  if (!soft)
    return std::nullopt;
  const auto usage = read_memory_usage(limits_.proc_, pid);
  if (!usage)
    return std::nullopt;
  LimitState state = limit_state(*soft, "RLIMIT_AS", usage->virtual_size);
  if (ram() && *soft > ram()->total && state.left > ram()->available)
    return std::nullopt;
  return state;
}

std::optional<LimitState> MemoryLimitSample::read(pid_t pid) {
  if (auto state = cgroup_limit(pid))
    return state;
  const auto limits = limits_.proc_.read(pid, "limits");
  if (!limits || limits->empty()) // empty: the process ended while it was read
    return std::nullopt;
  if (auto state = address_space_limit(pid, *limits))
    return state;
  if (!ram())
    return std::nullopt;
  return limit_state(ram()->total, ram_source, ram()->total - ram()->available);
}

std::optional<std::uint64_t> MemoryLimitSample::cgroup_usage(pid_t pid) {
  const auto groups = limits_.hierarchy_.groups(limits_.proc_.cgroup(pid));
  const std::string_view file = group_files(limits_.hierarchy_.version()).usage;
  for (const MemoryGroup& group : groups) {
    const auto usage = once(usages_, group.directory, [&] { return number_in(group, file); });
    if (usage)
      return usage;
    // A v2 group without the controller is charged to the next one out that has it; one that was
    // removed is charged nothing.
    if (access(group.directory.c_str(), F_OK) != 0)
      return std::nullopt;
  }
  return std::nullopt;
}

} // namespace leakbpf
