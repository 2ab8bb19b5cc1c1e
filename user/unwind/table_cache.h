// SPDX-License-Identifier: Apache-2.0
// Unwind tables kept on disk from one run to the next, by the build-id of their ELF file.
#pragma once

#include "unwind/unwind_table.h"

#include <cstdint>
#include <optional>
#include <string>

namespace leakbpf {

/// A directory of one file per build-id. What is damaged, old, of another layout of the same
/// build-id (patchelf), or another user's counts as not there. Nothing in it is ever needed.
class TableCache {
public:
  /// $XDG_CACHE_HOME/leakbpf/unwind, else $HOME/.cache/leakbpf/unwind; nothing without either.
  [[nodiscard]] static std::optional<std::string> default_directory();

  /// Without a directory nothing is kept. It is made (mode 0700) by the first `store`.
  explicit TableCache(std::optional<std::string> directory) : directory_(std::move(directory)) {}

  [[nodiscard]] std::optional<UnwindTable> load(const ElfFile& file) const;
  /// False when it was not kept: no directory, no build-id, or it could not be written.
  bool store(const ElfFile& file, const UnwindTable& table);

private:
  [[nodiscard]] std::optional<std::string> path_of(const ElfFile& file) const;

  std::optional<std::string> directory_;
};

} // namespace leakbpf
