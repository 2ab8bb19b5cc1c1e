// SPDX-License-Identifier: Apache-2.0
#include "python/layout.h"

#include <array>
#include <cstring>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr PythonVersion oldest{3, 8};
constexpr PythonVersion newest{3, 14};

/// PyFrameObject: each frame is an object of its own.
void frame_objects(PythonLayout& layout) {
  leakbpf_python& walk = layout.walk;
  walk.state_thread = 176;
  walk.state_frame = 24;
  walk.indirect_frame = LEAKBPF_PYTHON_NO_OFFSET;
  walk.frame_previous = 24;
  walk.frame_code = 32;
  walk.frame_instruction = layout.version.minor == 10 ? 96 : 104;
  walk.boundary = LEAKBPF_PYTHON_EVERY_FRAME;
  walk.instruction_is_index = 1;
  walk.check_from = 40;
  walk.check_words = 11;
  layout.code_first_line = 40;
  layout.code_filename = 104;
  layout.code_name = 112;
  layout.code_line_table = 120;
  layout.lines = layout.version.minor == 10 ? LineTableKind::linetable : LineTableKind::lnotab;
}

/// _PyInterpreterFrame: frames lie side by side in chunks of the thread's own.
void interpreter_frames(PythonLayout& layout) {
  leakbpf_python& walk = layout.walk;
  const std::uint32_t minor = layout.version.minor;
  walk.state_thread = 152; // of 3.11; not asked for later
  walk.state_frame = minor <= 12 ? 56 : 72;
  walk.indirect_frame = minor == 11 ? 8 : minor == 12 ? 0 : LEAKBPF_PYTHON_NO_OFFSET;
  walk.frame_previous = minor == 11 ? 48 : 8;
  walk.frame_code = minor == 11 ? 32 : 0;
  walk.frame_instruction = 56;
  walk.frame_boundary = minor == 11 ? 68 : minor == 14 ? 74 : 70;
  walk.boundary = minor == 11 ? LEAKBPF_PYTHON_ENTRY_FRAME : LEAKBPF_PYTHON_SHIM_FRAME;
  walk.boundary_value = minor == 11 ? 1 : 3; // FRAME_OWNED_BY_CSTACK, in 3.14 _BY_INTERPRETER
  walk.code_mask = minor >= 14 ? 3 : 0;
  walk.check_from = minor == 11 ? 72 : 64;
  walk.check_words = minor == 11 ? 9 : 10;
  layout.code_first_line = minor == 11 ? 72 : 68;
  layout.code_filename = 112;
  layout.code_name = 120;
  layout.code_qualified_name = 128;
  layout.code_line_table = 136;
  layout.code_instructions = 184 + (minor - 11) * 8;
  layout.code_first_traceable = layout.code_instructions - 16;
  layout.lines = LineTableKind::locations;
}

Error not_understood(const std::string& what) {
  return Error{ExitCode::cannot_trace, what, "its stacks are native ones only"};
}

} // namespace

std::string to_string(PythonVersion version) {
  return fmt::format("{}.{}", version.major, version.minor);
}

namespace {

/// What the kernel side needs of the offsets that user space uses too.
void share_offsets(PythonLayout& layout) {
  layout.walk.code_filename = static_cast<__u16>(layout.code_filename);
  layout.walk.code_name = static_cast<__u16>(layout.name_offset());
  layout.walk.code_line_table = static_cast<__u16>(layout.code_line_table);
}

} // namespace

Result<void> check_version(PythonVersion version) {
  if (version >= oldest && version <= newest)
    return {};
  return Error{ExitCode::cannot_trace,
               fmt::format("Python {} is not understood, only {} to {}", to_string(version),
                           to_string(oldest), to_string(newest)),
               ""};
}

Result<std::vector<std::uint64_t>> read_debug_offsets(const ProcessMemory& memory,
                                                      std::uint64_t runtime, std::size_t words) {
  std::vector<std::uint64_t> table(words);
  if (!memory.read(runtime, table.data(), words * sizeof(table[0])) ||
      std::memcmp(table.data(), "xdebugpy", 8) != 0)
    return Error{ExitCode::cannot_trace,
                 "the interpreter's table of its own offsets cannot be read", ""};
  constexpr std::size_t free_threaded = 2;
  if (table.at(free_threaded) != 0)
    return Error{ExitCode::cannot_trace, "a free-threaded Python is not understood", ""};
  return table;
}

Result<PythonLayout> python_layout(PythonVersion version) {
  if (const auto known = check_version(version); !known)
    return not_understood(known.error().message);
  PythonLayout layout;
  layout.version = version;
  layout.walk.thread_second = LEAKBPF_PYTHON_NO_OFFSET;
  layout.ascii_header = version.minor <= 11 ? 48 : 40;
  layout.compact_header = version.minor <= 11 ? 72 : 56;
  if (version.minor <= 10)
    frame_objects(layout);
  else
    interpreter_frames(layout);
  share_offsets(layout);
  return layout;
}

Result<void> apply_debug_offsets(const ProcessMemory& memory, std::uint64_t runtime,
                                 PythonLayout& layout) {
  constexpr std::size_t words = 49;
  const auto table = read_debug_offsets(memory, runtime, words);
  if (!table)
    return not_understood(table.error().message);
  // Byte positions in _Py_DebugOffsets (Include/internal/pycore_debug_offsets.h): 3.14 put three
  // members more before them.
  const std::size_t shift = layout.version.minor >= 14 ? 3 : 0;
  const auto at = [&](std::size_t position) { return table->at(position / 8 + shift); };
  for (const std::size_t position : {184U, 232U, 240U, 248U, 264U})
    if (at(position) >= 112)
      return not_understood("the interpreter's frames are larger than any known");
  leakbpf_python& walk = layout.walk;
  walk.state_frame = static_cast<__u16>(at(184));
  walk.frame_previous = static_cast<__u16>(at(232));
  walk.frame_code = static_cast<__u16>(at(240));
  walk.frame_instruction = static_cast<__u16>(at(248));
  walk.frame_boundary = static_cast<__u16>(at(264));
  return {};
}

} // namespace leakbpf
