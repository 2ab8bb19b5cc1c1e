// SPDX-License-Identifier: Apache-2.0
// The allocation functions that a mapped file defines.
#pragma once

#include "plan/functions.h"
#include "target/mapped_file.h"

#include <leakbpf/result.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace leakbpf {

struct AllocatorFunction {
  const AllocationFunction* function = nullptr;
  std::string symbol; ///< its name in the file, with the prefix if it has one
  std::uint64_t file_offset = 0;
  std::vector<std::uint8_t> code;
};

/// A mapped file with the allocation functions it defines.
struct Allocator {
  MappedFile file;
  std::vector<AllocatorFunction> functions;
  bool is_glibc = false; ///< blocks have glibc's headers (target/glibc_chunk.h)
  /// File offset of the function that a dynamic linker calls when it has mapped or unmapped a file.
  std::optional<std::uint64_t> mappings_hook;
  /// By the file offset of a stub through which the file's code calls one of its own functions: the
  /// function's. Another file's may be chosen, but that is one of the same name.
  std::map<std::uint64_t, std::uint64_t> stubs{};
  /// Code that a function's first instruction jumps to, by its file offset; from there on as much
  /// as a function may have.
  std::map<std::uint64_t, std::vector<std::uint8_t>> jump_targets{};
};

/// What the user said about allocators that are not found by themselves.
struct AllocatorHints {
  std::vector<std::string> objects; ///< paths as the target sees them: only these are searched
  std::string symbol_prefix;        ///< such as "my_": these names are searched too
};

/// The allocation functions that `file`, which was opened, defines. C++'s operators new and delete
/// are among them only beside a malloc: elsewhere, as in libstdc++, they are not the allocator's
/// own and call malloc. A file without any is not an error.
[[nodiscard]] Result<Allocator> find_allocator(const MappedFile& file, const AllocatorHints& hints);

} // namespace leakbpf
