// SPDX-License-Identifier: Apache-2.0
#include "python/interpreter_file.h"

#include "unwind/elf_code.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

namespace leakbpf {

namespace {

constexpr std::array<std::string_view, 8> wanted{
    "_PyRuntime",      "_PyEval_EvalFrameDefault", "PyGILState_GetThisThreadState",
    "PyObject_Malloc", "allocate_from_new_pool",   "PyCode_Type",
    "Py_Version",      "gc_collect_main"};

struct Symbol {
  std::uint64_t address = 0, size = 0;
};
using Symbols = std::map<std::string_view, Symbol>;

void collect(const ElfFile& file, unsigned table_type, Symbols& found) {
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(file.elf(), section)) != nullptr;) {
    GElf_Shdr header{};
    if (gelf_getshdr(section, &header) == nullptr || header.sh_type != table_type)
      continue;
    Elf_Data* data = elf_getdata(section, nullptr);
    const std::size_t each = gelf_fsize(file.elf(), ELF_T_SYM, 1, EV_CURRENT);
    for (std::size_t i = 1; data != nullptr && each != 0 && i < data->d_size / each; i++) {
      GElf_Sym symbol{};
      if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr)
        break;
      if (symbol.st_shndx == SHN_UNDEF)
        continue;
      const char* text = elf_strptr(file.elf(), header.sh_link, symbol.st_name);
      std::string_view name = text == nullptr ? "" : text;
      name = name.substr(0, name.find('@'));
      const auto* const which = std::find(wanted.begin(), wanted.end(), name);
      if (which != wanted.end())
        found.emplace(*which, Symbol{symbol.st_value, symbol.st_size});
    }
  }
}

/// The bytes of the file that are loaded at a virtual address.
std::vector<std::uint8_t> bytes_at(const ElfFile& file, std::uint64_t address, std::uint64_t size) {
  constexpr std::uint64_t most = 4 << 20; // no function of an interpreter is near that
  std::size_t count = 0;
  elf_getphdrnum(file.elf(), &count);
  for (std::size_t i = 0; i < count; i++) {
    GElf_Phdr segment{};
    if (gelf_getphdr(file.elf(), static_cast<int>(i), &segment) == nullptr ||
        segment.p_type != PT_LOAD || address < segment.p_vaddr ||
        address - segment.p_vaddr >= segment.p_filesz)
      continue;
    const std::uint64_t skip = address - segment.p_vaddr;
    if (segment.p_offset > file.size())
      return {};
    return file.read(segment.p_offset + skip, std::min({size, segment.p_filesz - skip, most}));
  }
  return {};
}

CodeBlock code_of(const ElfFile& file, const Symbols& symbols, std::string_view name) {
  const auto found = symbols.find(name);
  if (found == symbols.end())
    return {};
  return code_at(file, found->second.address, found->second.size);
}

/// Programs may hold an interpreter that they do not export.
bool is_program(const ElfFile& file) {
  std::size_t count = 0;
  elf_getphdrnum(file.elf(), &count);
  for (std::size_t i = 0; i < count; i++) {
    GElf_Phdr segment{};
    if (gelf_getphdr(file.elf(), static_cast<int>(i), &segment) != nullptr &&
        segment.p_type == PT_INTERP)
      return true;
  }
  GElf_Ehdr header{};
  return gelf_getehdr(file.elf(), &header) != nullptr && header.e_type == ET_EXEC;
}

/// The minor version in the first "cpython-3N", the tag of compiled modules' names.
std::optional<PythonVersion> version_in(const ElfFile& file) {
  constexpr std::string_view tag = "cpython-3";
  constexpr std::size_t digits = 2;
  constexpr std::uint64_t step = 1 << 20;
  // Pieces overlap, so that none cuts the tag off.
  for (std::uint64_t at = 0; at < file.size(); at += step) {
    const auto bytes = file.read(at, step + tag.size() + digits);
    const auto found = std::search(bytes.begin(), bytes.end(), tag.begin(), tag.end());
    if (bytes.end() - found <= static_cast<std::ptrdiff_t>(tag.size() + digits))
      continue;
    PythonVersion version{3, 0};
    const char* const begin = reinterpret_cast<const char*>(&*found) + tag.size();
    if (std::from_chars(begin, begin + digits, version.minor).ec == std::errc())
      return version;
  }
  return std::nullopt;
}

/// Py_Version, a constant from 3.11 on: 0x030b02f0. Earlier ones tell by a string.
std::optional<PythonVersion> version_of(const ElfFile& file, const Symbols& symbols) {
  if (const auto constant = symbols.find("Py_Version"); constant != symbols.end()) {
    std::uint32_t value = 0;
    const auto bytes = bytes_at(file, constant->second.address, sizeof(value));
    if (bytes.size() == sizeof(value)) {
      std::memcpy(&value, bytes.data(), sizeof(value));
      return PythonVersion{value >> 24, value >> 16 & 0xFF};
    }
  }
  return version_in(file);
}

} // namespace

CodeBlock code_at(const ElfFile& file, std::uint64_t address, std::uint64_t most) {
  return {address, bytes_at(file, address, most)};
}

std::optional<InterpreterFile> find_interpreter(const ElfFile& file) {
  Symbols symbols;
  collect(file, SHT_DYNSYM, symbols);
  const bool exported = symbols.contains("_PyEval_EvalFrameDefault");
  if (exported || is_program(file)) // what is not exported
    collect(file, SHT_SYMTAB, symbols);
  InterpreterFile found;
  found.evaluation = code_of(file, symbols, "_PyEval_EvalFrameDefault");
  found.thread_state = code_of(file, symbols, "PyGILState_GetThisThreadState");
  found.new_pool = code_of(file, symbols, "allocate_from_new_pool");
  found.collector = code_of(file, symbols, "gc_collect_main");
  found.object_malloc = code_of(file, symbols, "PyObject_Malloc");
  const auto runtime = symbols.find("_PyRuntime");
  if (found.evaluation.code.empty() || found.thread_state.code.empty() || runtime == symbols.end())
    return std::nullopt;
  found.runtime = runtime->second.address;
  if (const auto type = symbols.find("PyCode_Type"); type != symbols.end())
    found.code_type = type->second.address;
  const auto version = version_of(file, symbols);
  if (!version)
    return std::nullopt;
  found.version = *version;
  return found;
}

} // namespace leakbpf
