// SPDX-License-Identifier: Apache-2.0
#include "python/code_names.h"

#include "python/dead_code.h"
#include "python/line_table.h"

namespace leakbpf {

std::uint32_t PythonNames::add(KnownCode code) {
  codes_.push_back(std::move(code));
  return static_cast<std::uint32_t>(codes_.size() - 1);
}

std::uint32_t PythonNames::add_object(CodeObject object, const PythonLayout& layout) {
  Identity identity(object.file, object.function, object.first_line, object.line_table,
                    layout.code_instructions, object.first_traceable);
  const auto [same, is_new] =
      by_content_.emplace(std::move(identity), static_cast<std::uint32_t>(codes_.size()));
  return is_new ? add({std::move(object), layout.lines, layout.code_instructions}) : same->second;
}

std::uint32_t PythonNames::code_of(std::uint32_t target, const ProcessMemory& memory,
                                   const PythonLayout& layout, std::uint64_t address,
                                   std::uint32_t check) {
  const Place place(target, address, check);
  if (const auto known = by_place_.find(place); known != by_place_.end())
    return known->second;
  const std::uint32_t deaths = deaths_(target, address);
  auto object = read_code_object(memory, layout, address, check, deaths);
  std::uint32_t code = 0;
  // What belonged to it may have been something else already when it was read.
  if (object && deaths_(target, address) == deaths) {
    code = add_object(std::move(*object), layout);
  } else {
    unreadable_++;
    code = add({std::nullopt, layout.lines, layout.code_instructions});
  }
  by_place_.emplace(place, code);
  return code;
}

void PythonNames::code_died(std::uint32_t target, const PythonLayout& layout,
                            const leakbpf_dead_code& record) {
  const auto check = static_cast<std::uint32_t>(record.event.argument);
  const Place place(target, record.event.address, check);
  const auto known = by_place_.find(place);
  bury(place);
  if (known != by_place_.end() && codes_[known->second].object)
    return;
  const DeadCodeMemory memory(record);
  auto object = read_dead_code_object(memory, layout, record.event.address);
  if (!object)
    return;
  if (known != by_place_.end()) {
    codes_[known->second].object = std::move(object);
    unreadable_--;
    return;
  }
  by_place_.emplace(place, add_object(std::move(*object), layout));
}

/// Its checksum never comes back, so its place is only kept for stacks that are on their way.
void PythonNames::bury(const Place& place) {
  constexpr std::size_t most_dead = 4096;
  dead_.push_back(place);
  if (dead_.size() <= most_dead)
    return;
  by_place_.erase(dead_.front());
  dead_.pop_front();
}

void PythonNames::forget_target(std::uint32_t target) {
  by_place_.erase(by_place_.lower_bound(Place(target, 0, 0)),
                  by_place_.lower_bound(Place(target + 1, 0, 0)));
}

bool PythonNames::is_hidden(std::uint32_t code, std::uint32_t instruction) const {
  const KnownCode& known = codes_.at(code);
  return known.object && instruction >= known.instructions &&
         instruction - known.instructions < known.object->first_traceable;
}

Frame PythonNames::name(std::uint32_t code, std::uint32_t instruction) const {
  Frame frame;
  frame.kind = FrameKind::python;
  const KnownCode& known = codes_.at(code);
  if (!known.object)
    return frame;
  frame.function = known.object->function;
  frame.file = known.object->file;
  // f_lasti counts bytes up to 3.9 and units of two in 3.10; both begin below zero.
  std::uint32_t offset = instruction;
  if (known.lines == LineTableKind::locations)
    offset = instruction >= known.instructions ? instruction - known.instructions : 0;
  else if (static_cast<std::int32_t>(instruction) < 0)
    offset = 0;
  else if (known.lines == LineTableKind::linetable)
    offset = instruction * 2;
  const auto line =
      line_of(known.lines, known.object->line_table, known.object->first_line, offset);
  frame.line = line.value_or(0);
  return frame;
}

} // namespace leakbpf
