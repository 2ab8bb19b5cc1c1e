// SPDX-License-Identifier: Apache-2.0
#include "symbol/elf_symbols.h"

#include "symbol/module.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <tuple>

namespace leakbpf {

namespace {

/// "memcpy@@GLIBC_2.14" and "memcpy@GLIBC_2.2.5" are both memcpy.
std::string_view without_version(std::string_view name) {
  const std::size_t at = name.find('@');
  return at == std::string_view::npos || at == 0 ? name : name.substr(0, at);
}

/// Underscores that mark an internal alias (__libc_malloc); those of a mangled name do not.
std::size_t internal_underscores(std::string_view name) {
  if (is_mangled(name))
    return 0;
  return std::min(name.find_first_not_of('_'), name.size());
}

/// Sections that hold code, by section number.
std::vector<bool> executable_sections(Elf* elf) {
  std::vector<bool> executable;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header{};
    const std::size_t index = elf_ndxscn(section);
    executable.resize(index + 1);
    executable[index] =
        gelf_getshdr(section, &header) != nullptr && (header.sh_flags & SHF_EXECINSTR) != 0;
  }
  return executable;
}

} // namespace

void SymbolTable::add(const ElfFile& file) {
  const std::vector<bool> executable = executable_sections(file.elf());
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(file.elf(), section)) != nullptr;) {
    GElf_Shdr header{};
    if (gelf_getshdr(section, &header) == nullptr)
      continue;
    if (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM)
      add_table(file, section, header, executable);
  }
}

void SymbolTable::add_table(const ElfFile& file, Elf_Scn* section, const GElf_Shdr& header,
                            const std::vector<bool>& executable) {
  Elf_Data* data = elf_getdata(section, nullptr);
  const std::size_t each = gelf_fsize(file.elf(), ELF_T_SYM, 1, EV_CURRENT);
  if (data == nullptr || each == 0)
    return;
  for (std::size_t i = 1; i < data->d_size / each; ++i) {
    GElf_Sym symbol{};
    if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr)
      break;
    // Special section numbers (undefined, absolute, common) lie outside too.
    if (symbol.st_shndx >= executable.size() || !executable[symbol.st_shndx])
      continue;
    const int type = GELF_ST_TYPE(symbol.st_info);
    const bool function = type == STT_FUNC || type == STT_GNU_IFUNC;
    if (!function && type != STT_NOTYPE && type != STT_OBJECT)
      continue;
    const char* name = elf_strptr(file.elf(), header.sh_link, symbol.st_name);
    // "$x" and "$d" are marks of the ARM assembler between code and data, not names.
    if (name == nullptr || name[0] == '\0' || name[0] == '$')
      continue;
    const Symbol value{name, static_cast<std::uint8_t>(GELF_ST_BIND(symbol.st_info))};
    if (symbol.st_size != 0 && type != STT_OBJECT)
      sized_.add(symbol.st_value, symbol.st_value + symbol.st_size, value);
    marks_.push_back(
        Mark{file.elf(), symbol.st_shndx, symbol.st_value, value, function && symbol.st_size == 0});
  }
}

// Hand-written assembly often leaves out .size. Such a function may be named as far as the next
// symbol of its section; without a next symbol nothing says where it ends, so it gets no name.
void SymbolTable::bound_unsized() {
  auto place = [](const Mark& mark) { return std::tie(mark.file, mark.section, mark.address); };
  std::sort(marks_.begin(), marks_.end(),
            [&](const Mark& a, const Mark& b) { return place(a) < place(b); });
  std::size_t next = 0;
  for (std::size_t i = 0; i < marks_.size(); ++i) {
    const Mark& mark = marks_[i];
    next = std::max(next, i);
    while (next < marks_.size() && place(marks_[next]) == place(mark))
      ++next;
    const bool bounded = next < marks_.size() && marks_[next].file == mark.file &&
                         marks_[next].section == mark.section;
    if (mark.unsized_function && bounded)
      unsized_.add(mark.address, marks_[next].address, mark.symbol);
  }
  marks_ = {};
}

void SymbolTable::seal() {
  bound_unsized();
  sized_.seal(better);
  unsized_.seal(better);
}

// Exported before local; then the name that callers write (malloc, not __libc_malloc; write, which
// is weak in glibc, not __write); then global before weak; the rest only keeps the order stable.
bool SymbolTable::better(const Symbol& a, const Symbol& b) {
  auto rank = [](const Symbol& symbol) {
    const std::string_view name = without_version(symbol.name);
    return std::make_tuple(symbol.binding == STB_LOCAL, internal_underscores(name),
                           symbol.binding == STB_WEAK, name.size(), name);
  };
  return rank(a) < rank(b);
}

std::optional<CoveringSymbol> SymbolTable::find(std::uint64_t address) const {
  const auto* entry = sized_.find(address);
  if (entry == nullptr)
    entry = unsized_.find(address);
  if (entry == nullptr)
    return std::nullopt;
  return CoveringSymbol{std::string(without_version(entry->value.name)), entry->low,
                        entry->value.binding != STB_LOCAL};
}

} // namespace leakbpf
