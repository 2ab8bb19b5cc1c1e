// SPDX-License-Identifier: Apache-2.0
// What tells the kernel side which processes count.
#pragma once

#include <leakbpf/abi.h>
#include <leakbpf/python_abi.h>
#include <leakbpf/result.h>

#include <cstdint>
#include <optional>

#include <sys/types.h>

namespace leakbpf {

class TargetControl {
public:
  virtual ~TargetControl() = default;

  /// From here on the process counts, its heap while the window `window` is open; its stacks have
  /// Python frames when `python` says where these are. Returns its target id. Fails when the table
  /// is full.
  /// `shared`: it hits the probes that are for every process, not those of its own.
  [[nodiscard]] virtual Result<std::uint32_t>
  start_target(pid_t pid, std::uint32_t window, bool shared, const leakbpf_python* python) = 0;
  /// From here on a target shares probes, in the window `window`. False when it is none.
  [[nodiscard]] virtual bool share_target(pid_t pid, std::uint32_t window) = 0;
  /// The target's present id, which exec changes; nothing when it is not traced (any more).
  [[nodiscard]] virtual std::optional<std::uint32_t> target_id(pid_t pid) const = 0;
  /// From here on stacks of target `id` have Python frames. False: no room for one more.
  [[nodiscard]] virtual bool put_python(std::uint32_t id, const leakbpf_python& python) = 0;
  /// From here on page faults are seen; config.pages or pages_on_demand was set.
  [[nodiscard]] virtual Result<void> follow_page_faults() = 0;
  /// From here on a sample of the pages of this target is followed, as with config.pages of all.
  /// False: it has ended.
  [[nodiscard]] virtual bool follow_pages_of(pid_t pid) = 0;
  /// From here on nothing of the process counts.
  virtual void stop_target(pid_t pid) = 0;

protected:
  TargetControl() = default;
  TargetControl(const TargetControl&) = default;
  TargetControl& operator=(const TargetControl&) = default;
  TargetControl(TargetControl&&) = default;
  TargetControl& operator=(TargetControl&&) = default;
};

} // namespace leakbpf
