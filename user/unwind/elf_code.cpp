// SPDX-License-Identifier: Apache-2.0
#include "unwind/elf_code.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <gelf.h>
#include <zlib.h>

namespace leakbpf {

namespace {

using Bytes = std::span<const std::uint8_t>;

// The largest browsers have a tenth of this.
constexpr std::uint64_t most_section_bytes = std::uint64_t{256} << 20;

/// Of the bytes [offset, offset + size) of the file those that there are.
std::vector<std::uint8_t> read_part(const ElfFile& file, std::uint64_t offset, std::uint64_t size) {
  return file.read(offset, std::min(size, most_section_bytes));
}

void set_bytes(FoundSection& found, std::vector<std::uint8_t> bytes) {
  found.bytes = std::move(bytes);
  found.section.bytes = found.bytes;
}

std::vector<GElf_Phdr> program_headers(const ElfFile& file) {
  std::vector<GElf_Phdr> headers;
  std::size_t count = 0;
  if (elf_getphdrnum(file.elf(), &count) != 0)
    return headers;
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr header{};
    if (gelf_getphdr(file.elf(), static_cast<int>(i), &header) == nullptr)
      break;
    headers.push_back(header);
  }
  return headers;
}

/// The first section of that name with bytes in the file.
std::optional<GElf_Shdr> find_section(const ElfFile& file, const char* name) {
  std::size_t names = 0;
  if (elf_getshdrstrndx(file.elf(), &names) != 0)
    return std::nullopt;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(file.elf(), section)) != nullptr;) {
    GElf_Shdr header{};
    if (gelf_getshdr(section, &header) == nullptr || header.sh_type == SHT_NOBITS)
      continue;
    const char* found = elf_strptr(file.elf(), names, header.sh_name);
    if (found != nullptr && std::strcmp(found, name) == 0)
      return header;
  }
  return std::nullopt;
}

std::optional<GElf_Phdr> find_eh_frame_header(const std::vector<GElf_Phdr>& headers) {
  const auto found = std::find_if(headers.begin(), headers.end(), [](const GElf_Phdr& header) {
    return header.p_type == PT_GNU_EH_FRAME;
  });
  return found == headers.end() ? std::nullopt : std::optional(*found);
}

/// The address in the field eh_frame_ptr of .eh_frame_hdr.
std::optional<std::uint64_t> eh_frame_address(const ElfFile& file, const GElf_Phdr& header) {
  constexpr std::uint64_t most_used = 64; // of it, before its search table
  const auto bytes = read_part(file, header.p_offset, std::min(header.p_filesz, most_used));
  CfiSection section;
  section.bytes = bytes;
  section.address = header.p_vaddr;
  section.data_base = header.p_vaddr;
  ByteCursor cursor(section.bytes.data(), section.bytes.data() + section.bytes.size());
  const std::uint8_t version = cursor.byte();
  const std::uint8_t encoding = cursor.byte();
  cursor.skip(2); // encodings of the search table
  if (cursor.failed() || version != 1 || encoding == pointer_encoding::omitted)
    return std::nullopt;
  const auto address = read_pointer(cursor, encoding, section);
  return address && *address != 0 ? address : std::nullopt;
}

/// What is loaded from `address` on, up to the end of its segment.
std::optional<FoundSection> loaded_from(const ElfFile& file, const std::vector<GElf_Phdr>& headers,
                                        std::uint64_t address) {
  for (const GElf_Phdr& header : headers) {
    if (header.p_type != PT_LOAD || address < header.p_vaddr ||
        address - header.p_vaddr >= header.p_filesz)
      continue;
    const std::uint64_t skipped = address - header.p_vaddr;
    FoundSection found;
    if (header.p_offset <= file.size())
      set_bytes(found, read_part(file, header.p_offset + skipped, header.p_filesz - skipped));
    found.section.address = address;
    found.section.ends_at_terminator = true;
    return found;
  }
  return std::nullopt;
}

/// Empty when the bytes are damaged, compressed otherwise than by zlib, or too many.
std::vector<std::uint8_t> inflate_section(Bytes compressed) {
  constexpr std::uint64_t most_per_byte = 1032; // no zlib stream is denser
  ByteCursor cursor(compressed.data(), compressed.data() + compressed.size());
  const auto header = cursor.fixed<Elf64_Chdr>();
  if (cursor.failed() || header.ch_type != ELFCOMPRESS_ZLIB ||
      header.ch_size > most_section_bytes || header.ch_size / most_per_byte > cursor.left())
    return {};
  std::vector<std::uint8_t> inflated(header.ch_size);
  uLongf size = inflated.size();
  if (uncompress(inflated.data(), &size, cursor.position(), cursor.left()) != Z_OK ||
      size != inflated.size())
    return {};
  return inflated;
}

} // namespace

std::vector<CodeSegment> code_segments(const ElfFile& file) {
  std::vector<CodeSegment> segments;
  for (const GElf_Phdr& header : program_headers(file)) {
    if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0 || header.p_offset >= file.size())
      continue;
    const std::uint64_t size = std::min(header.p_filesz, file.size() - header.p_offset);
    if (size != 0 && size <= ~header.p_vaddr)
      segments.push_back({header.p_vaddr, header.p_offset, size});
  }
  std::sort(segments.begin(), segments.end(),
            [](const CodeSegment& a, const CodeSegment& b) { return a.address < b.address; });
  return segments;
}

std::optional<FoundSection> find_eh_frame(const ElfFile& file) {
  const std::vector<GElf_Phdr> headers = program_headers(file);
  const auto search_table = find_eh_frame_header(headers);
  std::optional<FoundSection> found;
  if (const auto header = find_section(file, ".eh_frame")) {
    found.emplace();
    set_bytes(*found, read_part(file, header->sh_offset, header->sh_size));
    found->section.address = header->sh_addr;
  } else if (search_table) {
    if (const auto address = eh_frame_address(file, *search_table))
      found = loaded_from(file, headers, *address);
  }
  if (found && search_table)
    found->section.data_base = search_table->p_vaddr;
  return found;
}

std::optional<FoundSection> find_debug_frame(const ElfFile& file) {
  const auto header = find_section(file, ".debug_frame");
  if (!header)
    return std::nullopt;
  FoundSection found;
  found.section.format = CfiSection::Format::debug_frame;
  auto bytes = read_part(file, header->sh_offset, header->sh_size);
  set_bytes(found,
            (header->sh_flags & SHF_COMPRESSED) != 0 ? inflate_section(bytes) : std::move(bytes));
  return found;
}

std::optional<std::uint64_t> file_offset_of(const ElfFile& file, std::uint64_t address) {
  for (const CodeSegment& segment : code_segments(file))
    if (address >= segment.address && address - segment.address < segment.size)
      return address - segment.address + segment.offset;
  return std::nullopt;
}

} // namespace leakbpf
