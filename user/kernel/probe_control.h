// SPDX-License-Identifier: Apache-2.0
// What puts probes into processes, and opens and closes the windows in which they count.
#pragma once

#include "kernel/attach.h"
#include "plan/probe_plan.h"

#include <leakbpf/abi.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace leakbpf {

class ProbeControl {
public:
  virtual ~ProbeControl() = default;

  /// How many of the plan's probes are of kinds that are followed.
  [[nodiscard]] virtual std::size_t wanted_probes(const ProbePlan& plan) const = 0;
  /// Attaches to every heap function of `plan` in process `pid`, or, with every_process, wherever
  /// the file is mapped: then targets that share probes hit them, and no others. What frees memory
  /// is attached before what takes it, so that no block is seen to be born whose end is missed.
  [[nodiscard]] virtual Result<std::vector<Link>> attach_heap(const ProbePlan& plan, pid_t pid) = 0;
  /// Attaches to what begins new pools of Python's, likewise.
  [[nodiscard]] virtual Result<std::vector<Link>> attach_pools(const ProbePlan& plan,
                                                               pid_t pid) = 0;
  /// Attaches to what maps memory, likewise.
  [[nodiscard]] virtual Result<std::vector<Link>> attach_mapping_calls(const ProbePlan& plan,
                                                                       pid_t pid) = 0;
  /// Follows changes of the files that `pid` has mapped, at this place of its dynamic linker.
  [[nodiscard]] virtual Result<std::vector<Link>>
  attach_mappings_probe(const std::string& path, std::uint64_t file_offset, pid_t pid) = 0;
  /// Attaches to the function that frees Python's code objects.
  [[nodiscard]] virtual Result<std::vector<Link>>
  attach_code_probe(const std::string& path, std::uint64_t file_offset, pid_t pid) = 0;
  /// Attaches to the function in which Python's garbage collector works.
  [[nodiscard]] virtual Result<std::vector<Link>>
  attach_collector(const std::string& path, std::uint64_t file_offset, pid_t pid) = 0;
  /// Opens or, with number 0, closes a window; `index` is below LEAKBPF_WINDOWS.
  virtual void set_window(std::uint32_t index, const leakbpf_window& window) = 0;

protected:
  ProbeControl() = default;
  ProbeControl(const ProbeControl&) = default;
  ProbeControl& operator=(const ProbeControl&) = default;
  ProbeControl(ProbeControl&&) = default;
  ProbeControl& operator=(ProbeControl&&) = default;
};

} // namespace leakbpf
