// SPDX-License-Identifier: Apache-2.0
#include "target/selection.h"

#include "target/container.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace leakbpf {

namespace {

bool contains(const std::vector<pid_t>& pids, pid_t pid) {
  return std::find(pids.begin(), pids.end(), pid) != pids.end();
}

/// A process that can have memory of its own.
bool is_alive(const ProcFs& proc, pid_t pid) {
  const auto stat = proc.stat(pid);
  return stat && !stat->kernel_thread && stat->state != 'Z' && stat->state != 'X';
}

/// The shells, sudos and timeouts that leakbpf was started through. The pattern stands in their
/// command lines because it stands in leakbpf's, and nobody means them by it. An ancestor that is
/// what was looked for, and started leakbpf with other words, stays a target.
std::vector<pid_t> find_wrappers(const ProcFs& proc, pid_t self) {
  std::vector<std::string> words = proc.arguments(self);
  if (words.size() < 2)
    return {};
  words.erase(words.begin());
  std::vector<pid_t> wrappers;
  constexpr int most_ancestors = 64;
  pid_t pid = self;
  for (int i = 0; i < most_ancestors; i++) {
    const auto stat = proc.stat(pid);
    if (!stat || stat->ppid <= 0)
      break;
    pid = stat->ppid;
    const std::string line = proc.command_line(pid);
    if (std::all_of(words.begin(), words.end(),
                    [&](const std::string& word) { return line.find(word) != std::string::npos; }))
      wrappers.push_back(pid);
  }
  return wrappers;
}

/// As the tools that list containers write ids: "containerd://3f2a9c..." is one of Kubernetes'.
std::string without_scheme(const std::string& id) {
  const std::size_t scheme = id.find("://");
  return scheme == std::string::npos ? id : id.substr(scheme + 3);
}

constexpr std::size_t shortest_prefix = 6;

Error ambiguous(const std::string& prefix, const std::vector<std::string>& ids) {
  constexpr std::size_t most = 4;
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < std::min(ids.size(), most); i++)
    shown.push_back(ids[i].substr(0, std::max<std::size_t>(prefix.size() + 4, 12)));
  return {ExitCode::usage, fmt::format("{} container IDs begin with {}", ids.size(), prefix),
          fmt::format("give more characters: {}{}", fmt::join(shown, ", "),
                      ids.size() > most ? ", ..." : "")};
}

Result<std::string> whole_id(const std::set<std::string>& known, const std::string& text) {
  const std::string id = without_scheme(text);
  if (known.contains(id))
    return id;
  std::vector<std::string> found;
  for (auto it = known.lower_bound(id); it != known.end() && it->starts_with(id); ++it)
    found.push_back(*it);
  if (id.size() < shortest_prefix && !found.empty())
    return Error{ExitCode::usage,
                 fmt::format("{} is too short for a container ID", text.empty() ? "\"\"" : text),
                 fmt::format("give at least {} characters of it", shortest_prefix)};
  if (found.size() > 1)
    return ambiguous(id, found);
  if (found.empty())
    return Error{ExitCode::no_target, fmt::format("no process is in container {}", text),
                 "give its ID, not its name (see `docker ps`, `podman ps` or `crictl ps`); inside "
                 "a container, leakbpf sees others only in the host's PID namespace"};
  return found.front();
}

Result<std::vector<std::string>> whole_ids(const ProcFs& proc,
                                           const std::vector<std::string>& texts) {
  std::vector<std::string> ids;
  if (texts.empty())
    return ids;
  std::set<std::string> known;
  for (const pid_t pid : proc.processes())
    for (const Container& container : find_containers(proc, pid))
      known.insert(container.id);
  for (const std::string& text : texts) {
    auto id = whole_id(known, text);
    if (!id)
      return id.error();
    ids.push_back(std::move(*id));
  }
  return ids;
}

} // namespace

Result<TargetSelection> TargetSelection::resolve(const ProcFs& proc, const TargetRequest& request) {
  TargetSelection selection;
  for (const pid_t pid : request.pids)
    if (!contains(selection.pids_, pid))
      selection.pids_.push_back(pid);
  for (const std::string& name : request.names)
    if (auto pattern = Pattern::compile(name))
      selection.names_.push_back(std::move(*pattern));
    else
      return pattern.error().in("--name");
  for (const std::string& text : request.cgroups) {
    auto cgroup = CgroupSelector::resolve(proc, text);
    if (!cgroup)
      return cgroup.error();
    selection.cgroups_.push_back(std::move(*cgroup));
  }
  auto containers = whole_ids(proc, request.containers);
  if (!containers)
    return containers.error();
  selection.containers_ = std::move(*containers);
  selection.all_ = request.all;
  selection.children_ = request.children;
  selection.self_ = proc.self();
  selection.own_program_ = proc.link(selection.self_, "exe");
  if (!selection.names_.empty() || selection.children_)
    selection.wrappers_ = find_wrappers(proc, selection.self_);
  return selection;
}

bool TargetSelection::takes_new() const {
  return all_ || !names_.empty() || !cgroups_.empty() || !containers_.empty();
}

bool TargetSelection::matches(const ProcFs& proc, pid_t pid) const {
  if (contains(pids_, pid))
    return true;
  return (all_ || matches_name(proc, pid) || matches_cgroup(proc, pid)) && may_be_target(proc, pid);
}

bool TargetSelection::may_be_target(const ProcFs& proc, pid_t pid) const {
  if (pid == self_ || !is_alive(proc, pid))
    return false;
  // Two that follow each other would each see what the other does about it.
  return own_program_.empty() || proc.link(pid, "exe") != own_program_;
}

bool TargetSelection::matches_name(const ProcFs& proc, pid_t pid) const {
  if (names_.empty() || contains(wrappers_, pid))
    return false;
  std::string line = proc.command_line(pid);
  if (line.empty()) // a process can wipe it out
    if (const auto stat = proc.stat(pid))
      line = stat->comm;
  return std::any_of(names_.begin(), names_.end(),
                     [&](const Pattern& name) { return name.is_in(line); });
}

bool TargetSelection::matches_cgroup(const ProcFs& proc, pid_t pid) const {
  if (!cgroups_.empty()) {
    const std::vector<CgroupLine> lines = proc.cgroups(pid);
    if (std::any_of(cgroups_.begin(), cgroups_.end(),
                    [&](const CgroupSelector& cgroup) { return cgroup.contains(lines); }))
      return true;
  }
  if (containers_.empty())
    return false;
  const std::vector<Container> containers = find_containers(proc, pid);
  return std::any_of(containers.begin(), containers.end(), [&](const Container& container) {
    return std::find(containers_.begin(), containers_.end(), container.id) != containers_.end();
  });
}

std::vector<pid_t> TargetSelection::matching(const ProcFs& proc) const {
  std::vector<pid_t> pids = pids_;
  if (takes_new())
    for (const pid_t pid : proc.processes())
      if (!contains(pids_, pid) && matches(proc, pid))
        pids.push_back(pid);
  if (children_ && !all_)
    add_children(proc, pids);
  return pids;
}

/// A server's workers need not look like it: those that Python's multiprocessing spawns have
/// neither its name nor its command line.
void TargetSelection::add_children(const ProcFs& proc, std::vector<pid_t>& pids) const {
  std::map<pid_t, std::vector<pid_t>> children;
  for (const pid_t pid : proc.processes())
    if (const auto stat = proc.stat(pid))
      children[stat->ppid].push_back(pid);
  std::set<pid_t> known(pids.begin(), pids.end());
  for (std::size_t i = 0; i < pids.size(); i++)
    for (const pid_t child : children[pids[i]])
      if (!contains(wrappers_, child) && may_be_target(proc, child) && known.insert(child).second)
        pids.push_back(child);
}

std::string describe_selectors(const TargetRequest& request) {
  std::vector<std::string> words;
  for (const std::string& name : request.names)
    words.push_back("--name " + name);
  for (const std::string& cgroup : request.cgroups)
    words.push_back("--cgroup " + cgroup);
  for (const std::string& container : request.containers)
    words.push_back("--container " + container);
  if (request.all)
    words.emplace_back("--all");
  return fmt::format("{}", fmt::join(words, ", "));
}

} // namespace leakbpf
