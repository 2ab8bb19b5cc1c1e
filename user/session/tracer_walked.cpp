// SPDX-License-Identifier: Apache-2.0
// What a Tracer learns of a target's mappings from the kernel's walker, where /proc could not be
// asked in time.
#include "session/tracer.h"
#include "target/device_number.h"
#include "target/file_beside.h"

#include <utility>

namespace leakbpf {

namespace {

// Files that were looked for, and places that the walker was asked for. Beyond that what was found
// before is looked for again.
constexpr std::size_t most_found = 4096;
constexpr std::size_t most_asked = 1 << 14;

bool is_same_code(const Mapping& mapping, const leakbpf_mapped_code& code) {
  return mapping.inode == code.file.inode && mapping.device == device_of_kernel(code.file.device) &&
         mapping.start - mapping.offset == code.start - code.offset;
}

} // namespace

/// Empty: nobody knows.
std::string Tracer::path_of_walked(const TargetState& target, const FileId& file) {
  if (std::string path = attachments_.path_of(file); !path.empty())
    return path;
  if (found_files_.size() > most_found)
    found_files_.clear();
  const auto [known, is_new] = found_files_.emplace(file, "");
  if (is_new && target.alive())
    known->second = find_beside(proc_, target.process.pid, file.first, file.second,
                                parse_mappings(read_maps(target)));
  return known->second;
}

/// Most stacks come through the same files.
std::optional<leakbpf_mapped_code> Tracer::walked_code(std::uint32_t space, std::uint64_t pc) {
  const std::uint64_t block = std::uint64_t{space} << 32 | (pc >> LEAKBPF_CODE_BLOCK_SHIFT);
  const auto known = walked_codes_.find(block);
  if (known != walked_codes_.end() && known->second.start <= pc && pc < known->second.end)
    return known->second;
  auto code = kernel_.unwind_maps().mapping_at(space, pc);
  if (walked_codes_.size() > most_asked)
    walked_codes_.clear();
  if (code)
    walked_codes_.insert_or_assign(block, *code);
  return code;
}

/// A program that lives for a millisecond has ended before its mappings were read, and a library
/// that is opened for as long is gone, or another lies in its place. The kernel's walker knows
/// which files' code it came through; where these are, other processes or the folders of other
/// files tell. What nobody knows has no file: better than a wrong one.
void Tracer::take_walked_mappings(TargetState& target, const leakbpf_stack& stack) {
  std::vector<Mapping> walked;
  for (std::uint32_t at = 0; at < stack.depth; at++) {
    const std::uint64_t slot = stack.pc[at];
    if ((slot & LEAKBPF_PC_PYTHON) != 0) {
      at++;
      continue;
    }
    const std::uint64_t pc = (slot & LEAKBPF_PC_EXACT) != 0 ? slot & ~LEAKBPF_PC_EXACT : slot - 1;
    const auto code = walked_code(stack.space, pc);
    const Mapping* const known = target.space.find(pc);
    if (!code || code->file.inode == LEAKBPF_VDSO_INODE || (known && is_same_code(*known, *code)))
      continue;
    const FileId file{device_of_kernel(code->file.device), code->file.inode};
    if (std::string path = path_of_walked(target, file); !path.empty())
      walked.push_back({code->start, code->end, code->offset, true, file.first, file.second,
                        std::move(path), false});
    else if (known)
      walked.push_back({code->start, code->end, code->offset, true, 0, 0, "", false});
  }
  target.space.update(walked);
}

} // namespace leakbpf
