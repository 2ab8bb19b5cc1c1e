// SPDX-License-Identifier: Apache-2.0
#include "unwind/stack_finisher.h"

#include "unwind/tree_search.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace {

/// What the shared steps read from: the copy of the stack.
struct StackCopy {
  std::uint64_t start = 0;
  std::span<const std::uint8_t> bytes;
};

} // namespace

#define UNWIND_CONTEXT StackCopy

namespace {

bool unwind_read(StackCopy* copy, __u64 address, __u64* value) {
  const std::uint64_t offset = address - copy->start;
  if (offset >= copy->bytes.size() || copy->bytes.size() - offset < sizeof(*value))
    return false;
  std::memcpy(value, copy->bytes.data() + offset, sizeof(*value));
  return true;
}

/// They are not sent along.
bool unwind_cpu_register(StackCopy* /*copy*/, __u32 /*number*/, __u64* /*value*/) {
  return false;
}

/// Another tool's pending return is known to the kernel alone.
__u64 unwind_return_address(StackCopy* /*copy*/, __u64 /*slot*/, __u64 found) {
  return found;
}

} // namespace

#include <leakbpf/unwind_step.h>

namespace leakbpf {

const leakbpf_mapped_code* find_code(std::span<const leakbpf_mapped_code> mapped,
                                     std::uint64_t pc) {
  const auto found =
      std::find_if(mapped.begin(), mapped.end(), [pc](const leakbpf_mapped_code& code) {
        return pc >= code.start && pc < code.end;
      });
  return found == mapped.end() ? nullptr : &*found;
}

std::uint32_t frame_count(const leakbpf_stack& stack) {
  std::uint32_t count = 0;
  for (std::uint32_t at = 0; at < stack.depth; count++)
    at += (stack.pc[at] & LEAKBPF_PC_PYTHON) != 0 ? 2 : 1;
  return count;
}

namespace {

/// The Python frames that the kernel's walk had not come to.
class PythonRest {
public:
  explicit PythonRest(const leakbpf_unwind_request& request)
      : slots_(request.python,
               std::min<std::size_t>(request.python_slots, LEAKBPF_REQUEST_PYTHON_SLOTS)) {}

  /// Those of the next run of the evaluation function, two slots each; none when there are no more.
  std::vector<std::uint64_t> next_run() {
    std::vector<std::uint64_t> run;
    while (at_ + 1 < slots_.size()) {
      run.push_back(slots_[at_] & ~LEAKBPF_PYTHON_RUN_ENDS);
      run.push_back(slots_[at_ + 1]);
      const bool ends = (slots_[at_] & LEAKBPF_PYTHON_RUN_ENDS) != 0;
      at_ += 2;
      if (ends)
        break;
    }
    return run;
  }

private:
  std::span<const __u64> slots_;
  std::size_t at_ = 0;
};

/// Adds the frame, or what an interpreter's frame stands for. False: there is no room.
bool keep(const leakbpf_frame& frame, const leakbpf_unwind_rule& rule, PythonRest& python,
          std::uint32_t max_frames, leakbpf_stack& stack, std::uint32_t& frames) {
  std::vector<std::uint64_t> slots;
  if (rule.interpreter == LEAKBPF_INTERPRETER_PYTHON)
    slots = python.next_run();
  const std::size_t each = slots.empty() ? 1 : 2;
  if (slots.empty())
    slots.push_back(unwind_stored_pc(&frame));
  for (std::size_t at = 0; at < slots.size(); at += each) {
    if (frames >= max_frames || stack.depth + each > LEAKBPF_STACK_SLOTS)
      return false;
    for (std::size_t i = 0; i < each; i++)
      stack.pc[stack.depth++] = slots[at + i];
    frames++;
  }
  return true;
}

/// The rule for `pc`; the one for code without a table where no file's code is known.
leakbpf_unwind_rule rule_at(std::uint64_t pc, std::span<const leakbpf_mapped_code> mapped,
                            const UnwindMaps& maps, TableLoader& tables) {
  const leakbpf_mapped_code* code = find_code(mapped, pc);
  const auto file = code ? maps.file(code->file) : std::nullopt;
  if (!file)
    return {};
  const std::uint64_t offset = pc - code->start + code->offset;
  const std::uint16_t index =
      search_tree(*file, offset, [&maps](std::uint32_t id) { return maps.node(id); });
  return tables.rule(index);
}

} // namespace

void finish_stack(const leakbpf_unwind_request& request, std::span<const std::uint8_t> memory,
                  std::span<const leakbpf_mapped_code> mapped, std::uint32_t max_frames,
                  const UnwindMaps& maps, TableLoader& tables, leakbpf_stack& stack) {
  leakbpf_frame frame = request.frame;
  if (stack.end == LEAKBPF_STACK_NO_TABLE && !find_code(mapped, frame.pc - frame.pc_is_return))
    return; // unmapped again before we could look
  StackCopy copy{frame.sp, memory};
  const bool frame_is_whole = stack.end == LEAKBPF_STACK_UNREAD;
  PythonRest python(request);
  std::uint32_t frames = frame_count(stack);
  for (bool kept = true;; kept = false) { // the first frame is in the stack already, ...
    const leakbpf_unwind_rule rule = rule_at(frame.pc - frame.pc_is_return, mapped, maps, tables);
    // ... but not what it stands for, where its table was missing
    if (kept && !frame_is_whole && rule.interpreter != LEAKBPF_INTERPRETER_NONE) {
      stack.depth--;
      frames--;
      kept = false;
    }
    std::uint32_t result = LEAKBPF_STACK_TRUNCATED;
    if (kept || keep(frame, rule, python, max_frames, stack, frames))
      result = unwind_step(&copy, &rule, &frame);
    if (result == LEAKBPF_STACK_GOES_ON)
      result = unwind_check_pc(frame.pc);
    stack.end = result;
    if (result != LEAKBPF_STACK_GOES_ON)
      return;
  }
}

} // namespace leakbpf
