// SPDX-License-Identifier: Apache-2.0
#include "target/proc_fs.h"

#include "base/descriptor_limit.h"
#include "target/cgroup_mounts.h"
#include "target/device_number.h"
#include "target/kernel_file.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

namespace leakbpf {

namespace {

// As much as pgrep looks at. A process can have megabytes there, and they are read for each.
constexpr std::size_t most_command_line_bytes = 128 << 10;

constexpr std::uint64_t kernel_thread_flag = 0x00200000; // PF_KTHREAD, linux/sched.h

std::uint64_t parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

/// Takes the next blank-separated word off the front of `rest`.
std::string_view next_word(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(word.size());
  return word;
}

std::uint64_t parse_device(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos)
    return 0;
  return device_number(parse_hex(text.substr(0, colon)), parse_hex(text.substr(colon + 1)));
}

} // namespace

Mapping parse_mapping(const std::string& line) {
  Mapping mapping;
  std::string_view rest = line;
  const std::string_view range = next_word(rest);
  const std::string_view permissions = next_word(rest);
  const std::string_view offset = next_word(rest);
  const std::string_view device = next_word(rest);
  const std::string_view inode = next_word(rest);
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos || permissions.size() < 4 || inode.empty())
    return mapping;
  mapping.start = parse_hex(range.substr(0, dash));
  mapping.end = parse_hex(range.substr(dash + 1));
  mapping.offset = parse_hex(offset);
  mapping.executable = permissions[2] == 'x';
  mapping.writable = permissions[1] == 'w';
  mapping.shared = permissions[3] == 's';
  mapping.device = parse_device(device);
  std::from_chars(inode.data(), inode.data() + inode.size(), mapping.inode);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  constexpr std::string_view deleted = " (deleted)";
  if (rest.ends_with(deleted)) {
    mapping.deleted = true;
    rest.remove_suffix(deleted.size());
  }
  mapping.path = rest;
  return mapping;
}

std::vector<Mapping> parse_mappings(const std::string& text) {
  std::vector<Mapping> mappings;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    Mapping mapping = parse_mapping(line);
    if (mapping.end > mapping.start)
      mappings.push_back(std::move(mapping));
  }
  return mappings;
}

std::string ProcFs::path(pid_t pid, const std::string& file) const {
  return fmt::format("{}/{}/{}", root_, pid, file);
}

Result<std::string> ProcFs::read(pid_t pid, const std::string& file) const {
  auto text = read_kernel_file(path(pid, file));
  if (text)
    return std::move(*text);
  const int error = errno;
  if (error == ENOENT || error == ESRCH)
    return Error{ExitCode::no_target, fmt::format("no process with PID {}", pid),
                 "is it still running? Check with `ps -p PID`"};
  if (is_descriptor_shortage(error))
    return descriptor_shortage(error);
  // It may well be there: whoever asks whether it has ended must not take this for a yes.
  const char* hint = error == EACCES || error == EPERM ? "run as root, or with CAP_SYS_PTRACE" : "";
  return Error{ExitCode::cannot_trace,
               fmt::format("cannot read {}: {}", path(pid, file), std::strerror(error)), hint};
}

Result<std::vector<Mapping>> ProcFs::mappings(pid_t pid) const {
  auto text = read(pid, "maps");
  if (!text)
    return text.error();
  return parse_mappings(*text);
}

Result<ProcessStat> ProcFs::stat(pid_t pid) const {
  auto text = read(pid, "stat");
  if (!text)
    return text.error();
  // "PID (COMM) S ..." where COMM may hold blanks and parentheses.
  const std::size_t open = text->find('(');
  const std::size_t close = text->rfind(')');
  const Error damaged{ExitCode::no_target, fmt::format("cannot understand {}", path(pid, "stat")),
                      ""};
  if (open == std::string::npos || close == std::string::npos || close < open)
    return damaged;
  ProcessStat stat;
  stat.comm = text->substr(open + 1, close - open - 1);
  std::istringstream rest(text->substr(close + 1));
  std::uint64_t ignored = 0;
  std::uint64_t flags = 0;
  long long signed_ignored = 0;
  rest >> stat.state >> stat.ppid;
  for (int field = 5; field <= 8; field++) // pgrp, session, tty, tpgid
    rest >> signed_ignored;
  rest >> flags;
  std::uint64_t from_files = 0;
  rest >> stat.page_faults >> ignored >> from_files >> ignored; // each: its own, its children's
  stat.page_faults += from_files;
  rest >> stat.user_ticks >> stat.system_ticks;
  for (int field = 16; field <= 19; field++) // children's time, priority, nice
    rest >> signed_ignored;
  rest >> stat.threads >> signed_ignored >> stat.start_ticks; // itreal between them
  for (int field = 23; field <= 27; field++)                  // sizes, limit, code
    rest >> ignored;
  rest >> stat.start_stack;
  if (!rest)
    return damaged;
  stat.kernel_thread = (flags & kernel_thread_flag) != 0;
  return stat;
}

Result<std::uint64_t> ProcFs::resident_bytes(pid_t pid) const {
  auto text = read(pid, "statm");
  if (!text)
    return text.error();
  std::istringstream fields(*text);
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  fields >> size >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::string ProcFs::link(pid_t pid, const std::string& file) const {
  std::string target(PATH_MAX, '\0');
  const ssize_t length = readlink(path(pid, file).c_str(), target.data(), target.size());
  target.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
  return target;
}

std::vector<pid_t> ProcFs::processes() const {
  std::vector<pid_t> pids;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(root_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    pid_t pid = 0;
    const auto [stop, failure] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (failure == std::errc() && stop == name.data() + name.size() && pid > 0)
      pids.push_back(pid);
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

pid_t ProcFs::self() const {
  // What getpid() says may be of another PID namespace than this /proc.
  std::error_code error;
  const std::string name = std::filesystem::read_symlink(path("self"), error).filename().string();
  pid_t pid = 0;
  std::from_chars(name.data(), name.data() + name.size(), pid);
  return pid > 0 ? pid : getpid();
}

std::vector<std::string> ProcFs::arguments(pid_t pid) const {
  std::vector<std::string> arguments;
  std::string text(most_command_line_bytes, '\0');
  std::ifstream in(path(pid, "cmdline"), std::ios::binary);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  while (!text.empty() && text.back() == '\0')
    text.pop_back();
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, '\0');)
    arguments.push_back(word);
  return arguments;
}

std::string ProcFs::command_line(pid_t pid) const {
  return fmt::format("{}", fmt::join(arguments(pid), " "));
}

std::vector<CgroupLine> ProcFs::cgroups(pid_t pid) const {
  std::vector<CgroupLine> parsed;
  auto text = read(pid, "cgroup");
  if (!text)
    return parsed;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos)
      continue;
    parsed.push_back({line.substr(first + 1, second - first - 1), line.substr(second + 1)});
  }
  return parsed;
}

std::string ProcFs::cgroup(pid_t pid) const {
  std::string memory;
  std::string unified;
  for (const CgroupLine& line : cgroups(pid)) {
    if (line.controllers.empty())
      unified = line.path;
    else if (has_option(line.controllers, "memory"))
      memory = line.path;
  }
  return memory.empty() ? unified : memory;
}

std::uint64_t ProcFs::boot_time() const {
  std::ifstream in(root_ + "/stat");
  for (std::string word; in >> word;) {
    std::uint64_t seconds = 0;
    if (word == "btime" && in >> seconds)
      return seconds;
  }
  return 0;
}

} // namespace leakbpf
