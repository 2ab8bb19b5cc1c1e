// SPDX-License-Identifier: Apache-2.0
// Any bytes as what /proc tells of a process: a zero byte twice parts its files. A process chooses
// its own name, command line and cgroup.
#include "target/cgroup_mounts.h"
#include "target/process.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <unistd.h>

using namespace leakbpf;

namespace {

constexpr pid_t pid = 7;

/// A /proc with one process, in memory where /dev/shm is.
class FakeProc {
public:
  FakeProc() {
    std::string name = (std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp") +
                       std::string("/fuzz.XXXXXX");
    if (!mkdtemp(name.data()))
      std::abort();
    root_ = name;
    std::filesystem::create_directory(folder());
    std::filesystem::create_symlink("/proc/self/exe", folder() / "exe");
  }
  FakeProc(const FakeProc&) = delete;
  FakeProc& operator=(const FakeProc&) = delete;
  ~FakeProc() { std::filesystem::remove_all(root_); }

  void write(std::string_view name, std::string_view text) const {
    std::ofstream(folder() / name, std::ios::binary | std::ios::trunc) << text;
  }
  [[nodiscard]] ProcFs proc() const { return ProcFs(root_.string()); }

private:
  [[nodiscard]] std::filesystem::path folder() const { return root_ / std::to_string(pid); }
  std::filesystem::path root_;
};

std::string_view next_part(std::string_view& rest) {
  const std::string_view parting("\0\0", 2);
  const std::size_t end = rest.find(parting);
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + parting.size());
  return part;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const FakeProc fake;
  std::string_view rest(reinterpret_cast<const char*>(data), size); // NOLINT
  for (const char* name : {"stat", "status", "cgroup", "cmdline", "statm"})
    fake.write(name, next_part(rest));
  (void)parse_cgroup_mounts(rest);
  const ProcFs proc = fake.proc();
  if (const auto process = inspect_process(proc, pid); process && process->pid != pid)
    std::abort();
  (void)proc.stat(pid);
  (void)proc.resident_bytes(pid);
  (void)proc.arguments(pid);
  return 0;
}
