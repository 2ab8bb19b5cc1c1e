// SPDX-License-Identifier: Apache-2.0
// Which of a process's mapped files define allocation functions.
#pragma once

#include "base/unique_fd.h"
#include "target/elf_file.h"
#include "target/functions.h"
#include "target/proc_fs.h"

#include <map>
#include <optional>
#include <span>

namespace leakbpf {

/// A file that a process has mapped.
struct MappedFile {
  std::uint64_t device = 0; ///< as /proc/PID/maps tells it
  std::uint64_t inode = 0;
  std::string path; ///< as the target sees it; another file may be there by now
  pid_t pid = 0;    ///< who has it mapped, from `start` to `end`; 0: nobody yet
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::string root; ///< the root directory of that process, as a path of ours
  /// A path that leads to the file itself as long as its opener holds it (descriptor_path); empty:
  /// it was not opened yet.
  std::string open_path;
};

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

/// The files of `mappings` that have code in them, each once.
[[nodiscard]] std::vector<MappedFile> executable_files(const ProcFs& proc, pid_t pid,
                                                       std::span<const Mapping> mappings);

/// Opens the file that is mapped, whatever has taken its path since: by the kernel's own link to
/// it, or by a path that leads to the same file. Never waits: what is no regular file is not
/// opened. Fails with ExitCode::no_target when it is mapped no more.
[[nodiscard]] Result<UniqueFd> open_mapped_file(const ProcFs& proc, const MappedFile& file);

/// The allocation functions that `file`, which was opened, defines. C++'s operators new and delete
/// are among them only beside a malloc: elsewhere, as in libstdc++, they are not the allocator's
/// own and call malloc. A file without any is not an error.
[[nodiscard]] Result<Allocator> find_allocator(const MappedFile& file, const AllocatorHints& hints);

} // namespace leakbpf
