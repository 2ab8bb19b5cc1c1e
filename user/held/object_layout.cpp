// SPDX-License-Identifier: Apache-2.0
#include "held/object_layout.h"

#include <cstddef>
#include <vector>

namespace leakbpf {

namespace {

Error not_understood(const std::string& what) {
  return Error{ExitCode::cannot_trace, what, "what holds its objects is not known"};
}

/// What only the minor version decides.
void take_roots(ObjectLayout& layout, std::uint32_t minor) {
  layout.runtime_interpreters = minor <= 10 ? 32 : minor <= 12 ? 40 : 632;
  layout.interpreter_next = minor <= 12 ? 0 : 7264;
  layout.interpreter_threads = minor <= 10 ? 8 : minor == 11 ? 16 : minor == 12 ? 72 : 7344;
  layout.interpreter_modules = minor == 8    ? 56
                               : minor <= 10 ? 856
                               : minor == 11 ? 888
                               : minor == 12 ? 944
                                             : 7656;
  layout.collector = minor == 8    ? 344
                     : minor <= 10 ? 616
                     : minor == 11 ? 648
                     : minor == 12 ? 112
                                   : 7400;
}

void take_functions(ObjectLayout& layout, std::uint32_t minor) {
  const std::uint32_t shift = minor <= 9 ? 0 : 24; // 3.10 put globals, builtins and names first
  layout.function_code = minor <= 9 ? 16 : 48;
  layout.function_defaults = 32 + shift;
  layout.function_keyword_defaults = 40 + shift;
  layout.function_closure = 48 + shift;
  layout.function_dict = minor <= 9 ? 72 : 88;
  layout.cached_keys = minor == 9 ? 864 : minor <= 11 ? 872 : 880;
}

void take_frames(ObjectLayout& layout, std::uint32_t minor) {
  layout.frame_in_generator = minor >= 11;
  layout.generator_frame = minor <= 10 ? 16 : minor == 11 ? 80 : 72;
  layout.frame_locals = minor <= 9 ? 360 : minor == 10 ? 352 : minor <= 13 ? 72 : 80;
  layout.frame_code = minor <= 11 ? 32 : 0;
  layout.code_argument_count = minor <= 10 ? 16 : minor == 11 ? 56 : 52;
  layout.code_local_count = minor <= 10 ? 28 : minor == 11 ? 76 : 72;
  layout.code_local_names = minor <= 10 ? 72 : 96;
  layout.code_names = minor <= 10 ? 64 : 32;
  layout.code_constants = minor <= 10 ? 56 : 24;
  if (minor >= 14)
    layout.local_mask = ~std::uint64_t{3};
}

} // namespace

Result<ObjectLayout> object_layout(PythonVersion version) {
  if (const auto known = check_version(version); !known)
    return not_understood(known.error().message);
  ObjectLayout layout;
  layout.version = version;
  layout.pool_bytes = version.minor <= 9 ? 4 << 10 : 16 << 10;
  layout.short_reference_count = version.minor >= 12;
  layout.logarithmic_keys = version.minor >= 11;
  layout.tuple_items = version.minor <= 13 ? 24 : 32;
  take_roots(layout, version.minor);
  take_functions(layout, version.minor);
  take_frames(layout, version.minor);
  return layout;
}

Result<void> apply_debug_offsets(const ProcessMemory& memory, std::uint64_t runtime,
                                 ObjectLayout& layout) {
  constexpr std::size_t words = 13;
  constexpr std::uint64_t most = 1 << 20; // of any offset in these structures
  const auto read = read_debug_offsets(memory, runtime, words);
  if (!read)
    return not_understood(read.error().message);
  const std::vector<std::uint64_t>& table = *read;
  const std::size_t modules = layout.version.minor >= 14 ? 12 : 11;
  const std::size_t collector = modules - 1;
  for (const std::size_t position :
       {std::size_t{5}, std::size_t{8}, std::size_t{9}, collector, modules})
    if (table.at(position) >= most)
      return not_understood("the interpreter's table of its own offsets makes no sense");
  layout.runtime_interpreters = static_cast<std::uint32_t>(table[5]);
  layout.interpreter_next = static_cast<std::uint32_t>(table[8]);
  layout.interpreter_threads = static_cast<std::uint32_t>(table[9]);
  layout.interpreter_modules = static_cast<std::uint32_t>(table.at(modules));
  layout.collector = static_cast<std::uint32_t>(table.at(collector));
  return {};
}

} // namespace leakbpf
