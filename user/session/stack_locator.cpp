// SPDX-License-Identifier: Apache-2.0
#include "session/stack_locator.h"

#include "core/stack_end.h"
#include "target/device_number.h"
#include "target/file_beside.h"

#include <algorithm>
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

/// Is there a frame that lies in nothing that is known to be mapped?
bool has_unknown_place(const AddressSpace& space, const leakbpf_stack& stack) {
  for (std::uint32_t at = 0; at < stack.depth; at++) {
    if ((stack.pc[at] & LEAKBPF_PC_PYTHON) != 0)
      at++; // two slots, and no address of native code
    else if (!space.find(stack.pc[at] & ~LEAKBPF_PC_EXACT))
      return true;
  }
  return false;
}

} // namespace

/// Empty: nobody knows. Looked for once in the folders of each process.
std::string StackLocator::path_of_walked(const TargetState& target, const FileId& file) {
  if (std::string path = of_.attachments.path_of(file); !path.empty())
    return path;
  const std::pair wanted(target.id, file);
  if (const auto known = found_files_.find(wanted); known != found_files_.end())
    return known->second;
  if (!target.alive() || found_files_.size() >= most_found)
    return "";
  return found_files_
      .emplace(wanted, find_beside(of_.proc, target.process.pid, file.first, file.second,
                                   parse_mappings(of_.probes.read_maps(target))))
      .first->second;
}

/// Most stacks come through the same files.
std::optional<leakbpf_mapped_code> StackLocator::walked_code(std::uint32_t space,
                                                             std::uint64_t pc) {
  const std::uint64_t block = std::uint64_t{space} << 32 | (pc >> LEAKBPF_CODE_BLOCK_SHIFT);
  const auto known = walked_codes_.find(block);
  if (known != walked_codes_.end() && known->second.start <= pc && pc < known->second.end)
    return known->second;
  auto code = of_.table.code_at(space, pc);
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
StackLocator::WalkedMappings StackLocator::walked_mappings(const TargetState& target,
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
LocatedStack StackLocator::locate_walked(TargetState& target, const leakbpf_stack& stack) {
  const WalkedMappings walked = walked_mappings(target, stack);
  target.space.update(walked.unknown);
  if (walked.others.empty())
    return locate(target, target.space, stack);
  AddressSpace then = target.space;
  then.update(walked.others);
  return locate(target, then, stack);
}

LocatedStack StackLocator::locate(const TargetState& target, const AddressSpace& space,
                                  const leakbpf_stack& stack) {
  const PythonProcess* python = target.python.process ? &*target.python.process : nullptr;
  LocatedStack located = of_.namer.locate(target.mapped_by, target.id, space, python, stack);
  if (located.end == LEAKBPF_STACK_ZERO_FRAME)
    settle_end(located);
  return located;
}

/// Takes the stack's addresses apart by what the target has mapped now. True for frames that were
/// not seen before.
bool StackLocator::remember(TargetState& target, std::uint64_t hash, const leakbpf_stack& stack) {
  if (of_.stacks.knows(hash))
    return false;
  if (has_unknown_place(target.space, stack))
    of_.probes.refresh(target);
  LocatedStack located = locate_walked(target, stack);
  const bool ends_early =
      stack.end == LEAKBPF_STACK_ZERO_FRAME && located.end != LEAKBPF_STACK_COMPLETE;
  const bool is_new = of_.stacks.add(hash, std::move(located));
  if (is_new && ends_early) // the kernel side could not know
    of_.losses[LEAKBPF_LOSS_UNWIND_FAILED]++;
  return is_new;
}

/// Whether the walk came to its thread's first function, names tell. Mostly that of the last frame:
/// the others' are looked for only if they are needed.
void StackLocator::settle_end(LocatedStack& stack) {
  stack.end = LEAKBPF_STACK_COMPLETE; // no note among the names
  if (stack.places.empty() ||
      reaches_first_function(of_.namer.name({{stack.places.back()}, stack.end})) ||
      reaches_first_function(of_.namer.name(stack)))
    return;
  stack.end = LEAKBPF_STACK_BAD_FRAME;
}

/// Stacks that came to a file before its unwind table did.
void StackLocator::take_finished(const std::function<bool(std::uint32_t)>& is_settled) {
  for (FinishedStack& finished : of_.unwind.take_finished())
    finished_.push_back(finished);
  std::erase_if(finished_, [&](const FinishedStack& finished) {
    TargetState* target = of_.targets.find(finished.target);
    if (!target)
      return is_settled(finished.target);
    if (target->alive())
      of_.probes.refresh(*target);
    const bool is_new = remember(*target, finished.hash, finished.stack);
    if (is_new && finished.stack.end == LEAKBPF_STACK_TRUNCATED)
      of_.losses[LEAKBPF_LOSS_UNWIND_TRUNCATED]++;
    else if (is_new && finished.stack.end != LEAKBPF_STACK_COMPLETE &&
             finished.stack.end != LEAKBPF_STACK_ZERO_FRAME)
      of_.losses[LEAKBPF_LOSS_UNWIND_FAILED]++;
    return true;
  });
}

SiteKey StackLocator::by_place(const KernelKey& key) {
  if (const auto place = of_.stacks.place_of(key.stack))
    return {key.target, key.kind, *place};
  TargetState* const target = of_.targets.find(key.target); // its event is to come, or was dropped
  const auto stack = key.stack == 0 ? std::nullopt : of_.table.read_stack(key.stack);
  if (target && stack && stack->end != LEAKBPF_STACK_NO_TABLE &&
      stack->end != LEAKBPF_STACK_MAPPINGS_BUSY && stack->end != LEAKBPF_STACK_UNREAD)
    remember(*target, key.stack, *stack); // else the walk may be finished yet
  return {key.target, key.kind, of_.stacks.place_of(key.stack).value_or(key.stack)};
}

/// A library may be mapped, leak and be gone again: look at once, not at the next refresh.
void StackLocator::look_at(const leakbpf_event& event) {
  TargetState* target = of_.targets.find(event.target);
  const auto stack = of_.table.read_stack(event.stack_hash);
  if (!target || !stack)
    return;
  if (event.argument != target->space_seen) {
    of_.probes.refresh(*target);
    target->space_seen = static_cast<std::uint32_t>(event.argument);
  }
  remember(*target, event.stack_hash, *stack);
}

/// Does the memory that is mapped or broken off here serve blocks that a heap function hands out,
/// or Python's pools?
StackLocator::HeapBacking StackLocator::backing_of(const SiteKey& place) {
  if (const auto known = backings_.find(place.stack_hash); known != backings_.end())
    return known->second;
  const LocatedStack* const stack = of_.stacks.find(place.stack_hash);
  if (!stack)
    return {};
  const auto& places = stack->places;
  const auto in_function = [this](bool (Attachments::*is_function)(const FileId&, std::uint64_t)
                                      const) {
    return [this, is_function](const CodePlace& code) {
      const auto file = of_.namer.file_id(code);
      return file && (of_.attachments.*is_function)(*file, code.offset);
    };
  };
  const auto outermost =
      std::find_if(places.rbegin(), places.rend(), in_function(&Attachments::is_heap_function));
  HeapBacking backing;
  backing.serves_pools =
      std::any_of(places.begin(), places.end(), in_function(&Attachments::is_pool_function));
  backing.serves_heap = outermost != places.rend();
  if (backing.serves_heap) {
    LocatedStack caller{{outermost.base(), places.end()}, stack->end};
    backing.heap_stack = hash_places(caller);
    of_.stacks.keep(backing.heap_stack, std::move(caller));
  }
  backings_.emplace(place.stack_hash, backing);
  return backing;
}

/// The stack of a site that nobody took apart while the target was there.
void StackLocator::keep(const TargetState& target, const SiteKey& key) {
  if (key.stack_hash == 0 || of_.stacks.has(key.stack_hash))
    return;
  if (const auto stack = of_.table.read_stack(key.stack_hash))
    of_.stacks.keep(key.stack_hash, locate(target, target.space, *stack));
}

/// A stack that is known by the kernel's hash alone.
std::optional<LocatedStack> StackLocator::locate_unknown(const SiteKey& site) {
  const TargetState* const target = of_.targets.find(site.target);
  const auto stack = of_.table.read_stack(site.stack_hash);
  return target && stack ? std::optional(locate(*target, target->space, *stack)) : std::nullopt;
}

/// The site that a range counts for: where heap blocks are followed, what serves them would be
/// counted twice. So would what Python's pools lie in, whose objects rows of their own tell of.
std::optional<SiteKey> StackLocator::site_of_range(const TargetState& target,
                                                   const KernelKey& key) {
  if (target.window.mappings_unseen) // what was mapped may be gone by now
    return std::nullopt;
  const SiteKey place = by_place(key);
  const auto backing = of_.follows_heap ? backing_of(place) : HeapBacking{};
  if (backing.serves_pools)
    return std::nullopt;
  if (!backing.serves_heap)
    return place;
  if (place.kind != LEAKBPF_KIND_MMAP || of_.stacks.is_reserving(key.stack) ||
      !of_.probes.maps_blocks(target))
    return std::nullopt;
  return SiteKey{key.target, LEAKBPF_KIND_HEAP, backing.heap_stack};
}

void StackLocator::keep_only(const std::unordered_set<std::uint64_t>& places) {
  of_.stacks.keep_only(places);
  std::erase_if(backings_, [&](const auto& known) { return !places.contains(known.first); });
}

} // namespace leakbpf
