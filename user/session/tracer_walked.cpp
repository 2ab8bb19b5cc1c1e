// SPDX-License-Identifier: Apache-2.0
// What a Tracer learns of a target's mappings from the kernel's walker, where /proc could not be
// asked in time.
#include "session/tracer.h"
#include "target/device_number.h"
#include "target/file_beside.h"

#include <utility>

namespace leakbpf {

namespace {

// Files that are looked for in all, each for some milliseconds.
constexpr std::size_t most_found = 256;
// Places that the walker was asked for; beyond that it is asked again.
constexpr std::size_t most_asked = 1 << 14;

bool is_same_code(const Mapping& mapping, const leakbpf_mapped_code& code) {
  return mapping.inode == code.file.inode && mapping.device == device_of_kernel(code.file.device) &&
         mapping.start - mapping.offset == code.start - code.offset;
}

} // namespace

/// Empty: nobody knows. Looked for once in the folders of each process.
std::string Tracer::path_of_walked(const TargetState& target, const FileId& file) {
  if (std::string path = attachments_.path_of(file); !path.empty())
    return path;
  const std::pair wanted(target.id, file);
  if (const auto known = found_files_.find(wanted); known != found_files_.end())
    return known->second;
  if (!target.alive() || found_files_.size() >= most_found)
    return "";
  return found_files_
      .emplace(wanted, find_beside(proc_, target.process.pid, file.first, file.second,
                                   parse_mappings(read_maps(target))))
      .first->second;
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
Tracer::WalkedMappings Tracer::walked_mappings(const TargetState& target,
                                               const leakbpf_stack& stack) {
  WalkedMappings walked;
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
    std::string path = path_of_walked(target, file);
    std::vector<Mapping>& mappings = known ? walked.others : walked.unknown;
    if (!path.empty())
      mappings.push_back({code->start, code->end, code->offset, true, file.first, file.second,
                          std::move(path), false});
    // On stacked file systems /proc names another device and inode than the walker does.
    else if (known && known->device == file.first)
      mappings.push_back({code->start, code->end, code->offset, true, 0, 0, "", false});
  }
  return walked;
}

/// What lies at the stack's addresses now need not be what lay there: only where nothing is known
/// does what the walker came through stay known.
LocatedStack Tracer::locate_walked(TargetState& target, const leakbpf_stack& stack) {
  const WalkedMappings walked = walked_mappings(target, stack);
  target.space.update(walked.unknown);
  if (walked.others.empty())
    return locate(target, target.space, stack);
  AddressSpace then = target.space;
  then.update(walked.others);
  return locate(target, then, stack);
}

} // namespace leakbpf
