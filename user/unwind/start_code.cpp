// SPDX-License-Identifier: Apache-2.0
#include "unwind/start_code.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include <gelf.h>

namespace leakbpf {

namespace {

constexpr std::string_view program_start = "__libc_start_main";
constexpr std::array<std::string_view, 2> thread_makers = {"pthread_create", "__pthread_create"};
/// Those that nothing of interest calls, as musl names them. The one with `init` calls the
/// constructors of a static program.
constexpr std::array<std::string_view, 6> start_names = {
    program_start, "libc_start_main_stage2", "libc_start_init", "__libc_start_init", "start",
    "start_c11"};

/// How far from its neighbour in the object file such code may lie. In musl 1.2.3 for x86-64 these
/// are 64 bytes for the program's and 240 for a thread's; more only lets other code in.
constexpr std::uint64_t most_distance = 512;

/// Virtual addresses [begin, end).
struct Function {
  std::uint64_t begin = 0, end = 0;
  std::string_view name;
  bool exported = false;
};

template <std::size_t count>
bool is_one_of(std::string_view name, const std::array<std::string_view, count>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const CodeSegment* segment_of(std::span<const CodeSegment> segments, std::uint64_t address) {
  const auto found = std::find_if(segments.begin(), segments.end(), [&](const CodeSegment& one) {
    return address >= one.address && address - one.address < one.size;
  });
  return found == segments.end() ? nullptr : &*found;
}

/// Calls `use(symbol, name)` for every defined symbol that may be a function.
template <typename Use> void for_each_function(const ElfFile& file, Use use) {
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(file.elf(), section)) != nullptr;) {
    GElf_Shdr header{};
    if (gelf_getshdr(section, &header) == nullptr ||
        (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM))
      continue;
    Elf_Data* data = elf_getdata(section, nullptr);
    const std::size_t each = gelf_fsize(file.elf(), ELF_T_SYM, 1, EV_CURRENT);
    if (data == nullptr || each == 0)
      continue;
    for (std::size_t i = 1; i < data->d_size / each; ++i) {
      GElf_Sym symbol{};
      if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr)
        break;
      // Functions of hand-written code may have no type; local labels of it are none.
      const int type = GELF_ST_TYPE(symbol.st_info);
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx == SHN_ABS ||
          (type != STT_FUNC && type != STT_GNU_IFUNC &&
           (type != STT_NOTYPE || GELF_ST_BIND(symbol.st_info) == STB_LOCAL)))
        continue;
      const char* name = elf_strptr(file.elf(), header.sh_link, symbol.st_name);
      if (name != nullptr && name[0] != '\0')
        use(symbol, std::string_view(name));
    }
  }
}

bool is_covered(std::span<const CodeRange> covered, std::uint64_t offset) {
  return std::any_of(covered.begin(), covered.end(), [offset](const CodeRange& range) {
    return offset >= range.begin && offset < range.end;
  });
}

/// True when the program's start is in this file, and no call-frame information tells of it.
bool starts_without_information(const ElfFile& file, std::span<const CodeSegment> segments,
                                std::span<const CodeRange> covered) {
  bool found = false;
  for_each_function(file, [&](const GElf_Sym& symbol, std::string_view name) {
    if (found || name != program_start)
      return;
    const CodeSegment* segment = segment_of(segments, symbol.st_value);
    found = segment != nullptr &&
            !is_covered(covered, segment->offset + (symbol.st_value - segment->address));
  });
  return found;
}

/// By address. Functions without a size reach to the next one.
std::vector<Function> read_functions(const ElfFile& file, std::span<const CodeSegment> segments) {
  std::vector<Function> functions;
  for_each_function(file, [&](const GElf_Sym& symbol, std::string_view name) {
    const CodeSegment* segment = segment_of(segments, symbol.st_value);
    if (segment == nullptr)
      return;
    const std::uint64_t left = segment->address + segment->size - symbol.st_value;
    const bool exported = GELF_ST_BIND(symbol.st_info) != STB_LOCAL &&
                          GELF_ST_VISIBILITY(symbol.st_other) == STV_DEFAULT;
    functions.push_back(
        {symbol.st_value, symbol.st_value + std::min(symbol.st_size, left), name, exported});
  });
  std::stable_sort(functions.begin(), functions.end(),
                   [](const Function& a, const Function& b) { return a.begin < b.begin; });
  std::uint64_t next = ~std::uint64_t{0};
  for (std::size_t i = functions.size(); i-- > 0;) {
    Function& function = functions[i];
    if (i + 1 < functions.size() && functions[i + 1].begin > function.begin)
      next = functions[i + 1].begin;
    if (function.end == function.begin)
      function.end = next;
  }
  return functions;
}

class StartSearch {
public:
  StartSearch(std::span<const CodeSegment> segments, std::span<const Function> functions,
              std::uint32_t row)
      : segments_(segments), functions_(functions), row_(row) {}

  /// From the exported function before `middle` to the one behind it, less what other names have.
  void around(const Function& middle) {
    const CodeSegment* segment = segment_of(segments_, middle.begin);
    if (segment == nullptr)
      return;
    std::uint64_t low = middle.begin - std::min(middle.begin - segment->address, most_distance);
    std::uint64_t high = segment->address + segment->size;
    high = middle.end < high ? middle.end + std::min(high - middle.end, most_distance) : high;
    for (const Function& other : functions_) {
      if (other.exported && other.begin < middle.begin)
        low = std::max(low, std::min(other.end, middle.begin));
      if (other.exported && other.begin >= middle.end)
        high = std::min(high, other.begin);
    }
    for (const Function& other : functions_) {
      if (other.end <= low || other.begin >= high || is_one_of(other.name, start_names))
        continue;
      add(*segment, low, other.begin);
      low = other.end;
    }
    add(*segment, low, high);
  }

  std::vector<CodeRange> take() {
    sort_and_separate(ranges_);
    return std::move(ranges_);
  }

private:
  void add(const CodeSegment& segment, std::uint64_t begin, std::uint64_t end) {
    const std::uint64_t limit = unwind_offset_limit;
    if (begin >= end || segment.offset + (end - segment.address) > limit)
      return;
    ranges_.push_back({static_cast<std::uint32_t>(segment.offset + (begin - segment.address)),
                       static_cast<std::uint32_t>(segment.offset + (end - segment.address)), row_,
                       1});
  }

  std::span<const CodeSegment> segments_;
  std::span<const Function> functions_;
  std::uint32_t row_;
  std::vector<CodeRange> ranges_;
};

} // namespace

std::vector<CodeRange> find_start_code(const ElfFile& file, std::span<const CodeSegment> segments,
                                       std::span<const CodeRange> covered, std::uint32_t row) {
  if (!starts_without_information(file, segments, covered))
    return {};
  const std::vector<Function> functions = read_functions(file, segments);
  StartSearch search(segments, functions, row);
  for (const Function& function : functions)
    if (function.name == program_start || is_one_of(function.name, thread_makers))
      search.around(function);
  return search.take();
}

} // namespace leakbpf
