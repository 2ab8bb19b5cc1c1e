// SPDX-License-Identifier: Apache-2.0
// Names for places in one ELF file: function, file:line, inlined frames.
#pragma once

#include "base/unique_fd.h"

#include <leakbpf/result.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace leakbpf {

/// One source-level frame at a place in a module.
struct SourceFrame {
  std::string function;   ///< demangled; empty when unknown
  std::string file;       ///< source file as in the line table; empty when unknown
  std::uint32_t line = 0; ///< 1-based; 0 when unknown
  bool inlined = false;   ///< inlined into the frame that follows in the list
};

/// A function that a call instruction names.
struct CalledFunction {
  SourceFrame frame;        ///< where it begins
  std::uint64_t low = 0;    ///< ELF virtual address
  std::uint64_t offset = 0; ///< in the file
};

/// A mapped ELF file, opened for naming. Move-only; holds the file open and its debug
/// information in memory only as far as it was asked for.
class Module {
public:
  /// Takes over an ELF file that its process calls `name`. Separate debug files are looked for by
  /// build-id and by .gnu_debuglink below `root` first ("" or "/proc/PID/root"), then on this
  /// machine
  /// (/usr/lib/debug, and beside the file). Never goes to the network.
  static Result<Module> take(UniqueFd file, const std::string& name, const std::string& root);
  /// The same for a file of this machine.
  static Result<Module> open(const std::string& path, const std::string& root);
  /// The same from the bytes of an ELF image held in memory (the vDSO). `image` must outlive it.
  static Result<Module> open_image(const void* image, std::size_t size);

  Module(Module&&) noexcept;
  Module& operator=(Module&&) noexcept;
  ~Module();

  /// Frames at `file_offset`, innermost first; more than one when calls were inlined there.
  /// `return_address`: the place is where a call returns to, so the call before it is named.
  /// Always at least one frame; its function is empty when no symbol covers the place
  /// (a symbol covers only [value, value + size), never the gap after it).
  [[nodiscard]] std::vector<SourceFrame> resolve(std::uint64_t file_offset,
                                                 bool return_address) const;

  /// What the direct call before `return_offset` calls in this file; nothing for other instructions
  /// and where no symbol begins (a procedure linkage table has none).
  [[nodiscard]] std::optional<CalledFunction> called_before(std::uint64_t return_offset) const;
  /// ELF virtual address at which the symbol begins that covers `file_offset`.
  [[nodiscard]] std::optional<std::uint64_t> function_low(std::uint64_t file_offset) const;

  /// Lets go of the memory that debug information takes when `resolve` has not needed it for so
  /// long that to take it apart again is no matter. True when there was some.
  bool rest(std::chrono::steady_clock::time_point now);

  /// The file, or one with its debug information, was rewritten since: nothing is named any more.
  [[nodiscard]] bool was_changed() const;

  /// Lower-case hex; empty when the file has none.
  [[nodiscard]] const std::string& build_id() const;
  /// ELF virtual address of a file offset in a PT_LOAD segment; ~0 when no segment holds it.
  [[nodiscard]] std::uint64_t address_of(std::uint64_t file_offset) const;

private:
  struct Impl;
  explicit Module(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Demangles a C++ (Itanium) or Rust (v0 and legacy, without its hash) symbol; other names come
/// back unchanged.
[[nodiscard]] std::string demangle(const std::string& symbol);
/// Whether `symbol` looks like a name that `demangle` changes.
[[nodiscard]] bool is_mangled(std::string_view symbol);

} // namespace leakbpf
