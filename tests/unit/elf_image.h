// SPDX-License-Identifier: Apache-2.0
// A small ELF file for tests: one segment of code, call-frame information, a build-id, symbols.
#pragma once

#include "cfi_bytes.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <elf.h>
#include <zlib.h>

namespace leakbpf::cfi {

/// Addresses and file offsets differ on purpose, and differently for code and data.
struct ElfImage {
  static constexpr std::uint64_t code_offset = 0x1000;
  static constexpr std::uint64_t code_address = 0x401000;
  static constexpr std::uint64_t code_size = 0x1000;
  static constexpr std::uint64_t header_offset = 0x2000; ///< of .eh_frame_hdr
  static constexpr std::uint64_t header_address = 0x602000;
  static constexpr std::uint64_t eh_frame_offset = 0x2010;
  static constexpr std::uint64_t eh_frame_address = 0x602010;

  struct Symbol {
    std::string name;
    std::uint64_t at = 0; ///< from the beginning of the code
    std::uint64_t size = 0;
    unsigned binding = STB_GLOBAL;
    unsigned type = STT_FUNC;
    unsigned visibility = STV_DEFAULT;
    unsigned section = 4; ///< SHN_UNDEF: another file has it
  };

  Bytes code = Bytes(code_size, 0xcc);
  Bytes eh_frame;
  Bytes debug_frame;
  std::vector<Symbol> symbols;
  unsigned symbol_table = SHT_SYMTAB; ///< or SHT_DYNSYM
  bool with_sections = true;
  bool compressed = false;
  Bytes build_id = Bytes(20, 0xab);
  unsigned machine = EM_X86_64;

  [[nodiscard]] Bytes build() const {
    Bytes file(header_offset, 0);
    std::copy(code.begin(), code.end(), file.begin() + code_offset);
    file.u32(0xffff1b01); // version, eh_frame_ptr as pcrel sdata4, no search table
    file.u32(eh_frame_address - (header_address + 4)).u64(0).add(eh_frame);
    const std::uint64_t loaded_end = file.size();
    align(file, 4);
    const std::uint64_t note = file.size();
    file.u32(4).u32(build_id.size()).u32(NT_GNU_BUILD_ID).text("GNU").add(build_id);
    const std::uint64_t note_end = file.size();
    const Bytes packed = compressed ? compress_section(debug_frame) : debug_frame;
    const std::uint64_t debug = file.size();
    file.add(packed);
    const std::uint64_t names = file.size();
    const std::string name_bytes("\0.eh_frame\0.debug_frame\0.names\0", 32);
    file.insert(file.end(), name_bytes.begin(), name_bytes.end());
    const std::uint64_t symbol_names = file.size();
    const std::string symbol_name_bytes = join_names();
    file.insert(file.end(), symbol_name_bytes.begin(), symbol_name_bytes.end());
    align(file, 8);
    const std::uint64_t symbol_entries = file.size();
    add_symbols(file);
    const std::uint64_t symbol_entries_end = file.size();
    Elf64_Ehdr header = file_header();
    if (with_sections)
      header.e_shoff = file.size();
    const std::vector<Elf64_Phdr> segments = {
        {PT_LOAD, PF_R | PF_X, code_offset, code_address, 0, code_size, code_size, 0x1000},
        {PT_LOAD, PF_R, header_offset, header_address, 0, loaded_end - header_offset,
         loaded_end - header_offset, 0x1000},
        {PT_GNU_EH_FRAME, PF_R, header_offset, header_address, 0, 16, 16, 4},
        {PT_NOTE, PF_R, note, 0, 0, note_end - note, note_end - note, 4},
    };
    header.e_phnum = static_cast<Elf64_Half>(segments.size());
    if (with_sections) {
      file.fixed(Elf64_Shdr{});
      file.fixed(
          section(1, SHT_PROGBITS, SHF_ALLOC, eh_frame_address, eh_frame_offset, eh_frame.size()));
      file.fixed(section(11, debug_frame.empty() ? SHT_NOBITS : SHT_PROGBITS,
                         compressed ? SHF_COMPRESSED : 0, 0, debug, packed.size()));
      file.fixed(section(24, SHT_STRTAB, 0, 0, names, name_bytes.size()));
      // Where there are sections, libdw looks for the build-id in them only.
      file.fixed(section(0, SHT_NOTE, 0, 0, note, note_end - note, 4));
      file.fixed(section(0, SHT_STRTAB, 0, 0, symbol_names, symbol_name_bytes.size()));
      Elf64_Shdr table =
          section(0, symbol_table, 0, 0, symbol_entries, symbol_entries_end - symbol_entries, 8);
      table.sh_link = 5;
      table.sh_entsize = sizeof(Elf64_Sym);
      file.fixed(table);
      header.e_shnum = 7;
      header.e_shstrndx = 3;
    }
    std::memcpy(file.data(), &header, sizeof header);
    std::memcpy(file.data() + sizeof header, segments.data(), segments.size() * sizeof(Elf64_Phdr));
    return file;
  }

private:
  static void align(Bytes& file, std::size_t to) { file.resize((file.size() + to - 1) / to * to); }

  [[nodiscard]] std::string join_names() const {
    std::string names(1, '\0');
    for (const Symbol& symbol : symbols)
      names += symbol.name + '\0';
    return names;
  }

  void add_symbols(Bytes& file) const {
    file.fixed(Elf64_Sym{});
    std::size_t name = 1;
    for (const Symbol& symbol : symbols) {
      Elf64_Sym entry{};
      entry.st_name = static_cast<Elf64_Word>(name);
      entry.st_info = static_cast<unsigned char>(ELF64_ST_INFO(symbol.binding, symbol.type));
      entry.st_other = static_cast<unsigned char>(symbol.visibility);
      entry.st_shndx = static_cast<Elf64_Half>(symbol.section);
      entry.st_value = symbol.section == SHN_UNDEF ? 0 : code_address + symbol.at;
      entry.st_size = symbol.size;
      file.fixed(entry);
      name += symbol.name.size() + 1;
    }
  }

  [[nodiscard]] Elf64_Ehdr file_header() const {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_DYN;
    header.e_machine = static_cast<Elf64_Half>(machine);
    header.e_version = EV_CURRENT;
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_shentsize = sizeof(Elf64_Shdr);
    return header;
  }

  static Elf64_Shdr section(unsigned name, unsigned type, std::uint64_t flags,
                            std::uint64_t address, std::uint64_t offset, std::uint64_t size,
                            std::uint64_t alignment = 1) {
    Elf64_Shdr header{};
    header.sh_name = name;
    header.sh_type = type;
    header.sh_flags = flags;
    header.sh_addr = address;
    header.sh_offset = offset;
    header.sh_size = size;
    header.sh_addralign = alignment;
    return header;
  }

  static Bytes compress_section(const Bytes& content) {
    uLongf size = compressBound(content.size());
    Bytes packed(size);
    ::compress(packed.data(), &size, content.data(), content.size());
    packed.resize(size);
    Bytes section;
    section.fixed(Elf64_Chdr{ELFCOMPRESS_ZLIB, 0, content.size(), 1});
    return section.add(packed);
  }
};

} // namespace leakbpf::cfi
