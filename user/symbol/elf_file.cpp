// SPDX-License-Identifier: Apache-2.0
#include "symbol/elf_file.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <unistd.h>

namespace leakbpf {

namespace {

Error cannot_open(const std::string& path, const std::string& reason) {
  return Error{ExitCode::cannot_trace, "cannot read symbols of " + path + ": " + reason, ""};
}

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

} // namespace

ElfFile::Descriptor::Descriptor(Descriptor&& other) noexcept : fd(std::exchange(other.fd, -1)) {}

ElfFile::Descriptor& ElfFile::Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd, other.fd);
  return *this;
}

ElfFile::Descriptor::~Descriptor() {
  if (fd >= 0)
    ::close(fd);
}

Result<ElfFile> ElfFile::open(const std::string& path) {
  ElfFile file;
  file.path_ = path;
  // The path may be chosen by the traced process: O_NONBLOCK, so that a FIFO there cannot hold us.
  file.descriptor_ = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (file.descriptor_.fd < 0)
    return cannot_open(path, std::strerror(errno));
  if (::fstat(file.descriptor_.fd, &file.opened_) != 0)
    return cannot_open(path, std::strerror(errno));
  if (!S_ISREG(file.opened_.st_mode))
    return cannot_open(path, "not a regular file");
  elf_version(EV_CURRENT);
  // Mapped, not read: debug files are large, and mapped pages stay reclaimable.
  file.elf_.reset(elf_begin(file.descriptor_.fd, ELF_C_READ_MMAP, nullptr));
  if (auto read = file.read_headers(); !read)
    return read.error();
  return file;
}

Result<ElfFile> ElfFile::open_image(const void* image, std::size_t size) {
  ElfFile file;
  file.path_ = "ELF image in memory";
  elf_version(EV_CURRENT);
  // libelf takes a writable pointer, but a handle from elf_memory is only read from here.
  auto* bytes = const_cast<char*>(static_cast<const char*>(image));
  file.elf_.reset(image == nullptr ? nullptr : elf_memory(bytes, size));
  if (auto read = file.read_headers(); !read)
    return read.error();
  return file;
}

Result<void> ElfFile::read_headers() {
  GElf_Ehdr header{};
  if (elf_kind(elf()) != ELF_K_ELF || gelf_getehdr(elf(), &header) == nullptr)
    return cannot_open(path_, "not an ELF file");
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
    return cannot_open(path_, "not an executable or a shared library");
  std::size_t count = 0;
  if (elf_getphdrnum(elf(), &count) != 0)
    return cannot_open(path_, elf_errmsg(-1));
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr segment{};
    if (gelf_getphdr(elf(), static_cast<int>(i), &segment) == nullptr)
      break;
    if (segment.p_type == PT_LOAD)
      segments_.push_back(Segment{segment.p_offset, segment.p_filesz, segment.p_vaddr});
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

bool ElfFile::unchanged() const {
  if (descriptor_.fd < 0)
    return true;
  struct stat now {};
  return ::fstat(descriptor_.fd, &now) == 0 && now.st_size == opened_.st_size &&
         same_time(now.st_mtim, opened_.st_mtim);
}

bool ElfFile::same_inode(const ElfFile& other) const {
  return descriptor_.fd >= 0 && other.descriptor_.fd >= 0 &&
         opened_.st_dev == other.opened_.st_dev && opened_.st_ino == other.opened_.st_ino;
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
  std::vector<unsigned char> buffer(1 << 16);
  off_t at = 0;
  while (at < opened_.st_size) {
    const ssize_t got = ::pread(descriptor_.fd, buffer.data(), buffer.size(), at);
    if (got <= 0)
      return std::nullopt;
    for (ssize_t i = 0; i < got; ++i)
      crc = table[(crc ^ buffer[static_cast<std::size_t>(i)]) & 0xff] ^ (crc >> 8);
    at += got;
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
