// SPDX-License-Identifier: Apache-2.0
// An ELF file held open: descriptor, libelf handle, build-id and loaded segments.
#pragma once

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

/// Owns the descriptor and the libelf handle. Move-only.
class ElfFile {
public:
  static Result<ElfFile> open(const std::string& path);
  /// `image` is read in place and must outlive the ElfFile.
  static Result<ElfFile> open_image(const void* image, std::size_t size);

  [[nodiscard]] Elf* elf() const { return elf_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Lower-case hex; empty when there is none.
  [[nodiscard]] const std::string& build_id() const { return build_id_; }
  /// Bytes when it was opened; 0 for an image in memory.
  [[nodiscard]] std::uint64_t size() const { return static_cast<std::uint64_t>(opened_.st_size); }
  /// Virtual address of a file offset; ~0 when no PT_LOAD segment holds it.
  [[nodiscard]] std::uint64_t address_of(std::uint64_t file_offset) const;
  /// False once the file was rewritten in place after `open`. Its bytes are mapped, so reading
  /// past a new, nearer end would kill us with SIGBUS.
  [[nodiscard]] bool unchanged() const;
  [[nodiscard]] bool same_inode(const ElfFile& other) const;
  /// True when a section of this name has bytes in this file.
  [[nodiscard]] bool has_section(const char* name) const;
  /// The checksum that .gnu_debuglink records, over the whole file; nothing when unreadable.
  [[nodiscard]] std::optional<std::uint32_t> debuglink_crc() const;

private:
  struct Descriptor {
    int fd = -1;
    Descriptor() = default;
    explicit Descriptor(int opened) : fd(opened) {}
    Descriptor(Descriptor&& other) noexcept;
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor();
  };
  struct ElfEnd {
    void operator()(Elf* elf) const { elf_end(elf); }
  };
  struct Segment {
    std::uint64_t offset, size, address;
  };

  ElfFile() = default;
  Result<void> read_headers();

  std::string path_;
  std::string build_id_;
  std::vector<Segment> segments_;
  struct stat opened_ {};
  // The handle reads through the descriptor, so it is declared after it and ends before it.
  Descriptor descriptor_;
  std::unique_ptr<Elf, ElfEnd> elf_;
};

/// Hex of the build-id bytes; empty for a length that no linker writes.
[[nodiscard]] std::string build_id_hex(const void* bytes, ssize_t size);

} // namespace leakbpf
