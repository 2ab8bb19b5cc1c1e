// SPDX-License-Identifier: Apache-2.0
#include "plan/elf_functions.h"

#include "base/regular_file.h"
#include "elf/debug_file.h"
#include "elf/elf_stubs.h"
#include "elf/mini_debug_info.h"
#include "plan/forwarding.h"

#include <algorithm>
#include <array>
#include <climits>

#include <gelf.h>
#include <unistd.h>

namespace leakbpf {

namespace {

// Longer functions are cut: the planner only looks at the beginning, and at branches back to it.
constexpr std::uint64_t max_code_bytes = 16384;

class ElfReader {
public:
  explicit ElfReader(ElfFile file) : file_(std::move(file)) {}

  [[nodiscard]] const ElfFile& file() const { return file_; }

  /// A program names its interpreter, or has none and no shared-object name (static).
  [[nodiscard]] bool is_program() const {
    bool dynamic = false;
    bool interpreter = false;
    each_segment([&](const GElf_Phdr& segment) {
      interpreter |= segment.p_type == PT_INTERP;
      dynamic |= segment.p_type == PT_DYNAMIC;
    });
    GElf_Ehdr header;
    const bool fixed = gelf_getehdr(elf(), &header) && header.e_type == ET_EXEC;
    return interpreter || fixed || (dynamic && !has_shared_object_name());
  }

  [[nodiscard]] Elf* elf() const { return file_.elf(); }

  /// Of a dynamically linked program; empty: it has none.
  [[nodiscard]] std::string interpreter() const {
    std::string name;
    each_segment([&](const GElf_Phdr& segment) {
      if (segment.p_type != PT_INTERP || segment.p_filesz >= PATH_MAX)
        return;
      const auto text = file_.read(segment.p_offset, segment.p_filesz);
      name.assign(text.begin(), std::find(text.begin(), text.end(), 0));
    });
    return name;
  }

  /// File offset of a virtual address, with the bytes that follow it in the file; 0: not in a file.
  [[nodiscard]] std::uint64_t file_offset(std::uint64_t address) const {
    std::uint64_t offset = 0;
    each_segment([&](const GElf_Phdr& segment) {
      if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
          address - segment.p_vaddr < segment.p_filesz)
        offset = address - segment.p_vaddr + segment.p_offset;
    });
    return offset;
  }

  [[nodiscard]] std::vector<std::uint8_t> bytes(std::uint64_t offset, std::uint64_t size) const {
    return file_.read(offset, std::min(size, max_code_bytes));
  }

private:
  template <class Visitor> void each_segment(const Visitor& visit) const {
    std::size_t count = 0;
    if (elf_getphdrnum(elf(), &count))
      return;
    for (std::size_t i = 0; i < count; i++) {
      GElf_Phdr segment;
      if (gelf_getphdr(elf(), static_cast<int>(i), &segment))
        visit(segment);
    }
  }

  [[nodiscard]] bool has_shared_object_name() const {
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf(), section));) {
      GElf_Shdr header;
      if (!gelf_getshdr(section, &header) || header.sh_type != SHT_DYNAMIC || !header.sh_entsize)
        continue;
      Elf_Data* data = elf_getdata(section, nullptr);
      const std::size_t count = data ? data->d_size / header.sh_entsize : 0;
      for (std::size_t i = 0; i < count; i++) {
        GElf_Dyn entry;
        if (gelf_getdyn(data, static_cast<int>(i), &entry) && entry.d_tag == DT_SONAME)
          return true;
      }
    }
    return false;
  }

  ElfFile file_;
};

template <class Visitor> void each_symbol(Elf* elf, unsigned section_type, const Visitor& visit) {
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section));) {
    GElf_Shdr header;
    if (!gelf_getshdr(section, &header) || header.sh_type != section_type || !header.sh_entsize)
      continue;
    Elf_Data* data = elf_getdata(section, nullptr);
    const std::size_t count = data ? data->d_size / header.sh_entsize : 0;
    for (std::size_t i = 0; i < count; i++) {
      GElf_Sym symbol;
      if (!gelf_getsym(data, static_cast<int>(i), &symbol))
        break;
      const char* name = elf_strptr(elf, header.sh_link, symbol.st_name);
      if (name)
        visit(symbol, std::string_view(name));
    }
  }
}

bool is_defined_function(const GElf_Sym& symbol) {
  return GELF_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx != SHN_UNDEF &&
         symbol.st_value != 0;
}

bool has_symbol_table(Elf* elf) {
  bool any = false;
  each_symbol(elf, SHT_SYMTAB, [&](const GElf_Sym&, std::string_view) { any = true; });
  return any;
}

// Of an allocator's functions the longest have two or three kilobytes.
constexpr std::uint64_t body_bytes = 4096;

/// Collects functions from the tables of one file, and from those that were kept elsewhere.
class FunctionSearch {
public:
  FunctionSearch(const ElfReader& reader, const FunctionFilter& wanted)
      : reader_(reader), wanted_(wanted) {}

  ElfFunctions run(const std::string& root) {
    const bool program = reader_.is_program();
    add(reader_.elf(), SHT_DYNSYM, true);
    add(reader_.elf(), SHT_SYMTAB, program);
    if (program && !has_symbol_table(reader_.elf()))
      add_kept_elsewhere(root);
    if (!found_.functions.empty())
      for (const ElfStub& stub : find_stubs(
               reader_.file(), [this](std::string_view name) { return wanted_(name, true); }))
        found_.stubs.push_back({stub.name, reader_.file_offset(stub.address)});
    add_jump_targets();
    return std::move(found_);
  }

private:
  /// A direct jump within a file goes as far in the file as in memory.
  void add_jump_targets() {
    for (const ElfFunction& function : found_.functions) {
      std::uint64_t to = 0;
      const CodeTarget outside = [&](std::int64_t distance) {
        to = static_cast<std::uint64_t>(distance);
        return to >= function.code.size();
      };
      if (!is_jump_to(function.code, outside))
        continue;
      const std::uint64_t offset = function.file_offset + to;
      found_.jump_targets.push_back({offset, reader_.bytes(offset, body_bytes)});
    }
  }

  void add(Elf* table, unsigned section_type, bool own) {
    each_symbol(table, section_type, [&](const GElf_Sym& symbol, std::string_view name) {
      name = name.substr(0, name.find('@'));
      if (!is_defined_function(symbol) || !wanted_(name, own))
        return;
      const std::uint64_t offset = reader_.file_offset(symbol.st_value);
      if (offset)
        found_.functions.push_back(
            {std::string(name), offset, reader_.bytes(offset, symbol.st_size), own});
    });
  }

  void add_kept_elsewhere(const std::string& root) {
    if (const auto debug = find_debug_file(reader_.file(), root)) {
      add(debug->elf(), SHT_SYMTAB, true);
      return;
    }
    const std::vector<std::uint8_t> inner = read_mini_debug_info(reader_.file());
    if (const auto image = ElfFile::open_image(inner.data(), inner.size()))
      add(image->elf(), SHT_SYMTAB, true);
  }

  const ElfReader& reader_;
  const FunctionFilter& wanted_;
  ElfFunctions found_;
};

} // namespace

Result<ElfFunctions> find_functions(const std::string& path, const std::string& name,
                                    const std::string& root, const FunctionFilter& wanted) {
  auto opened = open_regular(path);
  if (!opened)
    return opened.error();
  auto file = ElfFile::take(*std::move(opened), name);
  if (!file)
    return ElfFunctions{}; // a mapped data file
  const ElfReader reader(*std::move(file));
  return FunctionSearch(reader, wanted).run(root);
}

std::string program_interpreter(const std::string& path) {
  auto opened = open_regular(path);
  if (!opened)
    return "";
  std::array<char, PATH_MAX> text{};
  if (pread(opened->get(), text.data(), text.size() - 1, 0) > 2 && text[0] == '#' &&
      text[1] == '!') {
    const std::string line(text.data() + 2);
    const std::size_t begin = line.find_first_not_of(" \t");
    const std::size_t end = line.find_first_of(" \t\n", begin);
    return begin == std::string::npos ? "" : line.substr(begin, end - begin);
  }
  auto file = ElfFile::take(*std::move(opened), path);
  return file ? ElfReader(*std::move(file)).interpreter() : "";
}

} // namespace leakbpf
