// SPDX-License-Identifier: Apache-2.0
#include "elf/elf_file.h"

#include "base/regular_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <elfutils/libdwelf.h>
#include <unistd.h>

namespace leakbpf {

namespace {

Error cannot_open(const std::string& path, const std::string& reason) {
  return Error{ExitCode::cannot_trace, "cannot read symbols of " + path + ": " + reason, ""};
}

constexpr const char* not_elf = "not a 64-bit ELF file";

// Linkers make some dozens. libelf takes memory for each that a header claims, before it looks at
// any.
constexpr std::uint64_t most_headers = 1 << 16;

// Symbols and their names are kept whole while a file is in use; of the largest browsers they are a
// quarter of this.
constexpr std::uint64_t most_table_bytes = std::uint64_t{512} << 20;

/// Whether the file claims no more sections and segments than there may be. A count that is too
/// large for its field in the file's header stands in the first section header.
bool has_sound_counts(const ElfFile& file) {
  Elf64_Ehdr header{};
  const auto begin = file.read(0, sizeof header);
  if (begin.size() < sizeof header || std::memcmp(begin.data(), ELFMAG, SELFMAG) != 0 ||
      begin[EI_CLASS] != ELFCLASS64)
    return false;
  std::memcpy(&header, begin.data(), sizeof header);
  if (header.e_shnum != 0 && header.e_phnum != PN_XNUM)
    return true;
  Elf64_Shdr first{};
  const auto bytes = file.read(header.e_shoff, sizeof first);
  if (header.e_shoff == 0 || bytes.size() < sizeof first)
    return header.e_phnum != PN_XNUM;
  std::memcpy(&first, bytes.data(), sizeof first);
  return first.sh_size <= most_headers && first.sh_info <= most_headers;
}

/// Sections that libelf reads whole when something in them is asked for.
bool is_table(const GElf_Shdr& header) {
  switch (header.sh_type) {
  case SHT_NOBITS:
  case SHT_PROGBITS:
    return false;
  default:
    return true;
  }
}

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

} // namespace

Result<ElfFile> ElfFile::open(const std::string& path, const std::string& name) {
  auto file = open_regular(path);
  if (!file)
    return file.error();
  return take(*std::move(file), name.empty() ? path : name);
}

Result<ElfFile> ElfFile::take(UniqueFd opened, const std::string& name) {
  ElfFile file;
  file.path_ = name;
  file.descriptor_ = std::move(opened);
  if (::fstat(file.descriptor_.get(), &file.opened_) != 0)
    return cannot_open(name, std::strerror(errno));
  if (!has_sound_counts(file))
    return cannot_open(name, not_elf);
  elf_version(EV_CURRENT);
  file.elf_ = file.another_handle();
  if (auto read = file.read_headers(); !read)
    return read.error();
  return file;
}

ElfHandle ElfFile::another_handle() const {
  if (image_ == nullptr)
    return ElfHandle(elf_begin(descriptor_.get(), ELF_C_READ, nullptr));
  // libelf takes a writable pointer, but a handle from elf_memory is only read from here.
  return ElfHandle(elf_memory(const_cast<char*>(image_), size()));
}

Result<ElfFile> ElfFile::open_image(const void* image, std::size_t size) {
  ElfFile file;
  file.path_ = "ELF image in memory";
  file.image_ = static_cast<const char*>(image);
  file.opened_.st_size = static_cast<off_t>(image == nullptr ? 0 : size);
  if (!has_sound_counts(file))
    return cannot_open(file.path_, not_elf);
  elf_version(EV_CURRENT);
  file.elf_ = file.another_handle();
  if (auto read = file.read_headers(); !read)
    return read.error();
  return file;
}

std::vector<std::uint8_t> ElfFile::read(std::uint64_t offset, std::uint64_t most) const {
  if (offset >= size() || most == 0)
    return {};
  std::vector<std::uint8_t> bytes(std::min(most, size() - offset));
  if (image_ != nullptr) {
    std::memcpy(bytes.data(), image_ + offset, bytes.size());
    return bytes;
  }
  std::size_t done = 0;
  bool tried_again = false; // a network's file system may fail for a moment
  while (done < bytes.size()) {
    const ssize_t got = ::pread(descriptor_.get(), bytes.data() + done, bytes.size() - done,
                                static_cast<off_t>(offset + done));
    if (got < 0 && (errno == EINTR || !std::exchange(tried_again, true)))
      continue;
    if (got <= 0)
      break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

Result<void> ElfFile::read_headers() {
  GElf_Ehdr header{};
  if (elf_kind(elf()) != ELF_K_ELF || gelf_getehdr(elf(), &header) == nullptr)
    return cannot_open(path_, not_elf);
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
    return cannot_open(path_, "not an executable or a shared library");
  std::size_t count = 0;
  if (elf_getphdrnum(elf(), &count) != 0)
    return cannot_open(path_, elf_errmsg(-1));
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr segment{};
    if (gelf_getphdr(elf(), static_cast<int>(i), &segment) == nullptr)
      break;
    if (segment.p_type == PT_NOTE && segment.p_filesz >= most_table_bytes)
      return cannot_open(path_, "its notes are too large");
    if (segment.p_type == PT_LOAD)
      segments_.push_back(Segment{segment.p_offset, segment.p_filesz, segment.p_vaddr});
  }
  std::uint64_t table_bytes = 0;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf(), section)) != nullptr;) {
    GElf_Shdr table{};
    if (gelf_getshdr(section, &table) != nullptr && is_table(table) &&
        (table_bytes += std::min(table.sh_size, most_table_bytes)) >= most_table_bytes)
      return cannot_open(path_, "its symbol tables are too large");
  }
  const void* id = nullptr;
  const ssize_t size = dwelf_elf_gnu_build_id(elf(), &id);
  build_id_ = build_id_hex(id, size);
  return {};
}

std::uint64_t ElfFile::address_of(std::uint64_t file_offset) const {
  for (const Segment& segment : segments_)
    if (file_offset >= segment.offset && file_offset - segment.offset < segment.size)
      return segment.address + (file_offset - segment.offset);
  return ~std::uint64_t{0};
}

std::uint64_t ElfFile::offset_of(std::uint64_t address) const {
  for (const Segment& segment : segments_)
    if (address >= segment.address && address - segment.address < segment.size)
      return segment.offset + (address - segment.address);
  return ~std::uint64_t{0};
}

bool ElfFile::unchanged() const {
  if (!descriptor_)
    return true;
  struct stat now {};
  return ::fstat(descriptor_.get(), &now) == 0 && now.st_size == opened_.st_size &&
         same_time(now.st_mtim, opened_.st_mtim);
}

bool ElfFile::same_inode(const ElfFile& other) const {
  return descriptor_ && other.descriptor_ && opened_.st_dev == other.opened_.st_dev &&
         opened_.st_ino == other.opened_.st_ino;
}

bool ElfFile::has_section(const char* name) const {
  std::size_t names = 0;
  if (elf_getshdrstrndx(elf(), &names) != 0)
    return false;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf(), section)) != nullptr;) {
    GElf_Shdr header{};
    if (gelf_getshdr(section, &header) == nullptr || header.sh_type == SHT_NOBITS)
      continue;
    const char* found = elf_strptr(elf(), names, header.sh_name);
    if (found != nullptr && std::strcmp(found, name) == 0)
      return true;
  }
  return false;
}

std::optional<std::uint32_t> ElfFile::debuglink_crc() const {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit)
      value = (value & 1) != 0 ? 0xedb88320U ^ (value >> 1) : value >> 1;
    table[i] = value;
  }
  std::uint32_t crc = ~0U;
  constexpr std::uint64_t step = 1 << 16;
  for (std::uint64_t at = 0; at < size();) {
    const auto bytes = read(at, step);
    if (bytes.empty())
      return std::nullopt;
    for (const std::uint8_t byte : bytes)
      crc = table[(crc ^ byte) & 0xff] ^ (crc >> 8);
    at += bytes.size();
  }
  return ~crc;
}

std::string build_id_hex(const void* bytes, ssize_t size) {
  constexpr ssize_t longest = 64; // SHA-1 is 20; anything much longer is damage
  if (bytes == nullptr || size <= 0 || size > longest)
    return "";
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (ssize_t i = 0; i < size; ++i) {
    const unsigned char byte = static_cast<const unsigned char*>(bytes)[i];
    hex += digits[byte >> 4];
    hex += digits[byte & 15];
  }
  return hex;
}

} // namespace leakbpf
