// SPDX-License-Identifier: Apache-2.0
// What a Tracer learns of a target's mappings from the kernel's walker, where /proc could not be
// asked in time.
#include "session/tracer.h"
#include "target/device_number.h"

#include <utility>

namespace leakbpf {

/// A program that lives for a millisecond has ended before its mappings were read. The kernel's
/// walker knows which files' code it came through, and other processes where these files are.
void Tracer::take_walked_mappings(TargetState& target, const leakbpf_stack& stack) {
  const UnwindMaps maps = kernel_.unwind_maps();
  const std::uint32_t space = target.space_seen != 0 ? target.space_seen : target.id;
  std::vector<Mapping> walked;
  for (std::uint32_t at = 0; at < stack.depth; at++) {
    const std::uint64_t slot = stack.pc[at];
    if ((slot & LEAKBPF_PC_PYTHON) != 0) {
      at++;
      continue;
    }
    const std::uint64_t pc = (slot & LEAKBPF_PC_EXACT) != 0 ? slot & ~LEAKBPF_PC_EXACT : slot - 1;
    const auto code = target.space.find(pc) ? std::nullopt : maps.mapping_at(space, pc);
    if (!code)
      continue;
    const Attachments::FileId file{device_of_kernel(code->file.device), code->file.inode};
    if (std::string path = attachments_.path_of(file); !path.empty())
      walked.push_back({code->start, code->end, code->offset, true, file.first, file.second,
                        std::move(path), false});
  }
  target.space.update(walked);
}

} // namespace leakbpf
