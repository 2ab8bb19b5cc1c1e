// SPDX-License-Identifier: Apache-2.0
#include "python/code_names.h"

#include "python/line_table.h"

namespace leakbpf {

std::uint32_t PythonNames::add(KnownCode code) {
  codes_.push_back(std::move(code));
  return static_cast<std::uint32_t>(codes_.size() - 1);
}

std::uint32_t PythonNames::code_of(std::uint32_t target, const ProcessMemory& memory,
                                   const PythonLayout& layout, std::uint64_t address,
                                   std::uint32_t check) {
  const auto place = std::tuple(target, address, check);
  if (const auto known = by_place_.find(place); known != by_place_.end())
    return known->second;
  std::uint32_t code = 0;
  auto object = read_code_object(memory, layout, address, check);
  if (!object) {
    unreadable_++;
    code = add({std::nullopt, layout.lines, layout.code_instructions});
  } else {
    Identity identity(object->file, object->function, object->first_line, object->line_table);
    const auto [same, is_new] =
        by_content_.emplace(std::move(identity), static_cast<std::uint32_t>(codes_.size()));
    code = is_new ? add({std::move(object), layout.lines, layout.code_instructions}) : same->second;
  }
  by_place_.emplace(place, code);
  return code;
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
  frame.line = line.value_or(known.object->first_line);
  return frame;
}

} // namespace leakbpf
