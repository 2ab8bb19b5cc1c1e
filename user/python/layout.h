// SPDX-License-Identifier: Apache-2.0
// Where each CPython version keeps what leakbpf reads: offsets in its structures.
#pragma once

#include "base/process_memory.h"

#include <leakbpf/abi.h>
#include <leakbpf/result.h>

#include <cstdint>
#include <string>
#include <vector>

namespace leakbpf {

/// 3.11 is {3, 11}.
struct PythonVersion {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  friend auto operator<=>(const PythonVersion&,
                          const PythonVersion&) = default; // NOLINT(modernize-use-nullptr)
};

[[nodiscard]] std::string to_string(PythonVersion version);

/// How a code object says which line an instruction belongs to.
enum class LineTableKind {
  lnotab,    ///< up to 3.9: co_lnotab
  linetable, ///< 3.10: PEP 626's co_linetable
  locations, ///< from 3.11: PEP 657's location table
};

/// Offsets in bytes. Those of frames and threads are in `walk`, which the kernel side uses.
struct PythonLayout {
  PythonVersion version;
  leakbpf_python walk{}; ///< without the way to the thread's state
  // PyCodeObject
  std::uint32_t code_first_line = 0;
  std::uint32_t code_filename = 0;
  std::uint32_t code_name = 0;
  std::uint32_t code_qualified_name = 0; ///< 0: there is none
  std::uint32_t code_line_table = 0;
  std::uint32_t code_instructions = 0; ///< 0: instructions are counted from zero anyway
  /// Of the index of the first instruction at which a frame exists for Python itself; 0: there is
  /// no such thing.
  std::uint32_t code_first_traceable = 0;
  LineTableKind lines = LineTableKind::locations;
  /// Of the best name there is.
  [[nodiscard]] std::uint32_t name_offset() const {
    return code_qualified_name != 0 ? code_qualified_name : code_name;
  }
  // str
  std::uint32_t ascii_header = 0;   ///< where an ASCII string's characters are
  std::uint32_t compact_header = 0; ///< where another compact string's are
};

/// Fails for versions other than 3.8 to 3.14, without a hint.
[[nodiscard]] Result<void> check_version(PythonVersion version);

/// The first `words` of what an interpreter from 3.13 on says of itself at _PyRuntime, as words of
/// eight bytes (_Py_DebugOffsets of Include/internal/pycore_debug_offsets.h). Fails for a
/// free-threaded build, whose objects look different, and when what stands there is no such table;
/// without a hint.
[[nodiscard]] Result<std::vector<std::uint64_t>>
read_debug_offsets(const ProcessMemory& memory, std::uint64_t runtime, std::size_t words);

/// Fails for versions other than 3.8 to 3.14 (CPython's Include/cpython/code.h and
/// Include/internal/pycore_frame.h of each; the offsets were checked against running interpreters).
[[nodiscard]] Result<PythonLayout> python_layout(PythonVersion version);

/// Takes over what the interpreter itself says of its structures: from 3.13 on, _PyRuntime begins
/// with _Py_DebugOffsets. Fails for a free-threaded build, whose objects look different, and when
/// what stands there is no such table.
[[nodiscard]] Result<void> apply_debug_offsets(const ProcessMemory& memory, std::uint64_t runtime,
                                               PythonLayout& layout);

} // namespace leakbpf
