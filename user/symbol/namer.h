// SPDX-License-Identifier: Apache-2.0
// Turns raw stacks into named frames.
#pragma once

#include "core/report.h"
#include "symbol/address_space.h"
#include "symbol/module.h"

#include <leakbpf/abi.h>

#include <map>
#include <memory>
#include <unordered_map>

namespace leakbpf {

/// Opens each mapped file once, whatever process it was found in, and names each place once.
class Namer {
public:
  explicit Namer(const ProcFs& proc) : proc_(proc) {}

  /// Opens the file behind `mapping` while process `pid` still shows it, so that names can be found
  /// after the process has ended.
  void remember(pid_t pid, const Mapping& mapping) { (void)module_of(pid, mapping); }

  /// Frames of `stack`, innermost first, calls that were inlined among them. A stack that is not
  /// whole ends in a note that says why.
  [[nodiscard]] std::vector<Frame> name(pid_t pid, const AddressSpace& space,
                                        const leakbpf_stack& stack);

private:
  using FileId = std::pair<std::uint64_t, std::uint64_t>; ///< device, inode

  const Module* module_of(pid_t pid, const Mapping& mapping);
  const std::vector<Frame>& frames_at(const Module* module, const Mapping& mapping,
                                      std::uint64_t offset);

  const ProcFs& proc_;
  std::map<FileId, std::unique_ptr<Module>> modules_; ///< null: could not be opened
  std::map<FileId, std::unordered_map<std::uint64_t, std::vector<Frame>>> cache_;
};

} // namespace leakbpf
