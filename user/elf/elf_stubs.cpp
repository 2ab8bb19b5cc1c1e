// SPDX-License-Identifier: Apache-2.0
#include "elf/elf_stubs.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <span>

namespace leakbpf {

namespace {

/// Address of a pointer that the dynamic linker sets, and the name of what it sets it to.
using Pointers = std::map<std::uint64_t, std::string>;

template <class Visitor> void each_section(Elf* elf, const Visitor& visit) {
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section));) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header))
      visit(section, header);
  }
}

std::string_view symbol_name(Elf* elf, Elf_Scn* symbols, const GElf_Shdr& header,
                             std::size_t index) {
  GElf_Sym symbol;
  Elf_Data* const data = elf_getdata(symbols, nullptr);
  if (!data || !gelf_getsym(data, static_cast<int>(index), &symbol))
    return {};
  const char* const name = elf_strptr(elf, header.sh_link, symbol.st_name);
  const std::string_view text = name ? name : "";
  return text.substr(0, text.find('@'));
}

Pointers find_pointers(Elf* elf, const std::function<bool(std::string_view)>& wanted) {
  Pointers pointers;
  each_section(elf, [&](Elf_Scn* section, const GElf_Shdr& header) {
    GElf_Shdr symbols_header;
    Elf_Scn* const symbols = elf_getscn(elf, header.sh_link);
    if (header.sh_type != SHT_RELA || !header.sh_entsize || !symbols ||
        !gelf_getshdr(symbols, &symbols_header))
      return;
    Elf_Data* const data = elf_getdata(section, nullptr);
    const std::size_t count = data ? data->d_size / header.sh_entsize : 0;
    for (std::size_t i = 0; i < count; i++) {
      GElf_Rela entry;
      if (!gelf_getrela(data, static_cast<int>(i), &entry))
        break;
      const auto type = GELF_R_TYPE(entry.r_info);
      if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT)
        continue;
      const std::string_view name =
          symbol_name(elf, symbols, symbols_header, GELF_R_SYM(entry.r_info));
      if (wanted(name))
        pointers.emplace(entry.r_offset, name);
    }
  });
  return pointers;
}

/// How far in front of its jump a stub may begin: a bnd prefix, endbr64.
constexpr std::uint64_t longest_prefix = 5;

/// Jumps through one of the pointers, wherever they are in the table's bytes.
void find_jumps(std::span<const std::uint8_t> bytes, std::uint64_t address,
                const Pointers& pointers, std::vector<ElfStub>& stubs) {
  constexpr std::size_t length = 6; // jmp [rip + distance]
  for (std::size_t at = 0; at + length <= bytes.size(); at++) {
    if (bytes[at] != 0xff || bytes[at + 1] != 0x25)
      continue;
    std::int32_t distance = 0;
    std::memcpy(&distance, bytes.data() + at + 2, sizeof(distance));
    const auto pointer =
        pointers.find(address + at + length + static_cast<std::uint64_t>(std::int64_t{distance}));
    if (pointer == pointers.end())
      continue;
    for (std::uint64_t before = 0; before <= std::min<std::uint64_t>(longest_prefix, at); before++)
      stubs.push_back({pointer->second, address + at - before});
  }
}

} // namespace

std::vector<ElfStub> find_stubs(const ElfFile& file,
                                const std::function<bool(std::string_view)>& wanted) {
  constexpr std::uint64_t most_bytes = 64 << 20; // a stub for each of four million functions
  Elf* const elf = file.elf();
  std::vector<ElfStub> stubs;
  const Pointers pointers = find_pointers(elf, wanted);
  std::size_t names = 0;
  if (pointers.empty() || elf_getshdrstrndx(elf, &names))
    return stubs;
  each_section(elf, [&](Elf_Scn* /*section*/, const GElf_Shdr& header) {
    const char* const name = elf_strptr(elf, names, header.sh_name);
    if (header.sh_type != SHT_PROGBITS || !(header.sh_flags & SHF_EXECINSTR) || !name ||
        !std::string_view(name).starts_with(".plt"))
      return;
    find_jumps(file.read(header.sh_offset, std::min(header.sh_size, most_bytes)), header.sh_addr,
               pointers, stubs);
  });
  return stubs;
}

} // namespace leakbpf
