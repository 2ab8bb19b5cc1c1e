// SPDX-License-Identifier: Apache-2.0
// An ELF file held open: descriptor, libelf handle, build-id and loaded segments.
#pragma once

#include "base/unique_fd.h"

#include <leakbpf/result.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gelf.h>
#include <sys/stat.h>
#include <sys/types.h>

namespace leakbpf {

struct ElfEnd {
  void operator()(Elf* elf) const { elf_end(elf); }
};
using ElfHandle = std::unique_ptr<Elf, ElfEnd>;

/// Owns the descriptor and the libelf handle. Move-only. The file is read, never mapped: whoever
/// may write to it can make it shorter at any time, and a mapped page that is gone is a SIGBUS.
class ElfFile {
public:
  /// `name`: what its own process calls the file, where that is another path than the one to open.
  static Result<ElfFile> open(const std::string& path, const std::string& name = "");
  /// Takes over what was opened. ExitCode::cannot_trace for what is no ELF file of ours, or has
  /// more in it than a program can have.
  static Result<ElfFile> take(UniqueFd file, const std::string& name);
  /// `image` is read in place and must outlive the ElfFile.
  static Result<ElfFile> open_image(const void* image, std::size_t size);

  [[nodiscard]] Elf* elf() const { return elf_.get(); }
  /// One handle more, with a copy of its own of all it is asked for. Null: no memory.
  [[nodiscard]] ElfHandle another_handle() const;
  /// As its process calls it.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Lower-case hex; empty when there is none.
  [[nodiscard]] const std::string& build_id() const { return build_id_; }
  /// Bytes, when it was opened.
  [[nodiscard]] std::uint64_t size() const { return static_cast<std::uint64_t>(opened_.st_size); }
  /// Up to `most` bytes from `offset` on; fewer where the file ends, none when it cannot be read.
  [[nodiscard]] std::vector<std::uint8_t> read(std::uint64_t offset, std::uint64_t most) const;
  /// Virtual address of a file offset; ~0 when no PT_LOAD segment holds it.
  [[nodiscard]] std::uint64_t address_of(std::uint64_t file_offset) const;
  /// File offset of a virtual address; ~0 when no PT_LOAD segment holds it.
  [[nodiscard]] std::uint64_t offset_of(std::uint64_t address) const;
  /// False once the file was rewritten in place after `open`: what was read since may be of both.
  [[nodiscard]] bool unchanged() const;
  [[nodiscard]] bool same_inode(const ElfFile& other) const;
  /// True when a section of this name has bytes in this file.
  [[nodiscard]] bool has_section(const char* name) const;
  /// The checksum that .gnu_debuglink records, over the whole file; nothing when unreadable.
  [[nodiscard]] std::optional<std::uint32_t> debuglink_crc() const;

private:
  struct Segment {
    std::uint64_t offset, size, address;
  };

  ElfFile() = default;
  Result<void> read_headers();

  std::string path_;
  std::string build_id_;
  std::vector<Segment> segments_;
  struct stat opened_ {};
  const char* image_ = nullptr; ///< null: it is a file
  // The handle reads through the descriptor, so it is declared after it and ends before it.
  UniqueFd descriptor_;
  ElfHandle elf_;
};

/// Hex of the build-id bytes; empty for a length that no linker writes.
[[nodiscard]] std::string build_id_hex(const void* bytes, ssize_t size);

} // namespace leakbpf
