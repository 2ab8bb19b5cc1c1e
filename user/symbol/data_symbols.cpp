// SPDX-License-Identifier: Apache-2.0
#include "symbol/data_symbols.h"

#include "symbol/module.h"

namespace leakbpf {

namespace {

std::string variable_in(Elf* elf, Elf_Scn* section, const GElf_Shdr& header,
                        std::uint64_t address) {
  Elf_Data* const data = elf_getdata(section, nullptr);
  const std::size_t each = gelf_fsize(elf, ELF_T_SYM, 1, EV_CURRENT);
  if (data == nullptr || each == 0)
    return "";
  for (std::size_t i = 1; i < data->d_size / each; i++) {
    GElf_Sym symbol{};
    if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr)
      break;
    if (GELF_ST_TYPE(symbol.st_info) != STT_OBJECT || symbol.st_shndx == SHN_UNDEF ||
        address < symbol.st_value || address - symbol.st_value >= symbol.st_size)
      continue;
    const char* const name = elf_strptr(elf, header.sh_link, symbol.st_name);
    if (name != nullptr && name[0] != '\0')
      return demangle(name);
  }
  return "";
}

} // namespace

std::string variable_at(const ElfFile& file, std::uint64_t address) {
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(file.elf(), section)) != nullptr;) {
    GElf_Shdr header{};
    if (gelf_getshdr(section, &header) == nullptr ||
        (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM))
      continue;
    if (std::string name = variable_in(file.elf(), section, header, address); !name.empty())
      return name;
  }
  return "";
}

} // namespace leakbpf
