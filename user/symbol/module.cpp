// SPDX-License-Identifier: Apache-2.0
#include "symbol/module.h"

#include "base/regular_file.h"
#include "elf/debug_file.h"
#include "elf/elf_file.h"
#include "symbol/dwarf_lines.h"
#include "symbol/elf_symbols.h"

#include <cstring>
#include <optional>
#include <utility>

namespace leakbpf {

struct Module::Impl {
  Impl(ElfFile opened, std::string below) : main(std::move(opened)), root(std::move(below)) {}

  void load();
  [[nodiscard]] bool unchanged() const {
    return main.unchanged() && (!debug || debug->unchanged()) && (!lines || lines->unchanged());
  }

  ElfFile main;
  std::string root;
  // Made by the first `resolve`. What points into a file is declared after it and ends before it.
  bool loaded = false;
  std::optional<ElfFile> debug;
  SymbolTable symbols;
  std::unique_ptr<DwarfLines> lines;
};

void Module::Impl::load() {
  loaded = true;
  const bool own_dwarf = main.has_section(".debug_info") || main.has_section(".zdebug_info");
  if (!own_dwarf || !main.has_section(".symtab"))
    debug = find_debug_file(main, root);
  symbols.add(main);
  if (debug)
    symbols.add(*debug);
  symbols.seal();
  if (own_dwarf)
    lines = DwarfLines::open(main, root);
  else if (debug)
    lines = DwarfLines::open(*debug, root);
}

Module::Module(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Module::Module(Module&&) noexcept = default;
Module& Module::operator=(Module&&) noexcept = default;
Module::~Module() = default;

Result<Module> Module::open(const std::string& path, const std::string& root) {
  auto file = open_regular(path);
  if (!file)
    return file.error();
  return take(*std::move(file), path, root);
}

Result<Module> Module::take(UniqueFd opened, const std::string& name, const std::string& root) {
  Result<ElfFile> file = ElfFile::take(std::move(opened), name);
  if (!file)
    return file.error();
  return Module(std::make_unique<Impl>(*std::move(file), root));
}

Result<Module> Module::open_image(const void* image, std::size_t size) {
  Result<ElfFile> file = ElfFile::open_image(image, size);
  if (!file)
    return file.error();
  return Module(std::make_unique<Impl>(*std::move(file), ""));
}

std::vector<SourceFrame> Module::resolve(std::uint64_t file_offset, bool return_address) const {
  // The call lies before the place it returns to, which may belong to the next line or function.
  if (return_address && file_offset > 0)
    --file_offset;
  const std::uint64_t address = address_of(file_offset);
  if (address == ~std::uint64_t{0} || !impl_->unchanged())
    return {SourceFrame{}};
  if (!impl_->loaded)
    impl_->load();

  DwarfPlace place;
  if (impl_->lines)
    place = impl_->lines->find(address);
  if (place.frames.empty())
    place.frames.emplace_back();
  // The outermost frame is the real function. A plain DWARF name is good, but the symbol at its
  // start is better when it says more: "ns::run(int)" for "run", or the name that callers use
  // ("malloc", where DWARF has "__libc_malloc").
  SourceFrame& outermost = place.frames.back();
  const std::optional<CoveringSymbol> symbol = impl_->symbols.find(address);
  const bool better = symbol && !place.full_name && symbol->low == place.function_low &&
                      (symbol->exported || is_mangled(symbol->name));
  if (symbol && (better || outermost.function.empty()))
    outermost.function = demangle(symbol->name);
  return std::move(place.frames);
}

std::optional<std::uint64_t> Module::function_low(std::uint64_t file_offset) const {
  const std::uint64_t address = address_of(file_offset);
  if (address == ~std::uint64_t{0} || !impl_->unchanged())
    return std::nullopt;
  if (!impl_->loaded)
    impl_->load();
  const auto symbol = impl_->symbols.find(address);
  return symbol ? std::optional(symbol->low) : std::nullopt;
}

std::optional<CalledFunction> Module::called_before(std::uint64_t return_offset) const {
  constexpr std::size_t call_bytes = 5;
  constexpr std::uint8_t call_opcode = 0xe8; // then 32 bits, counted from the instruction's end
  if (return_offset < call_bytes)
    return std::nullopt;
  const auto code = impl_->main.read(return_offset - call_bytes, call_bytes);
  const std::uint64_t from = address_of(return_offset - call_bytes);
  if (code.size() != call_bytes || code[0] != call_opcode || from == ~std::uint64_t{0})
    return std::nullopt;
  std::int32_t distance = 0;
  std::memcpy(&distance, &code[1], sizeof(distance));
  const std::uint64_t target = from + call_bytes + static_cast<std::uint64_t>(distance);
  const std::uint64_t offset = impl_->main.offset_of(target);
  if (offset == ~std::uint64_t{0} || function_low(offset) != target)
    return std::nullopt;
  return CalledFunction{resolve(offset, false).back(), target, offset};
}

bool Module::rest(std::chrono::steady_clock::time_point now) {
  return impl_->lines && impl_->lines->rest(now);
}

bool Module::was_changed() const {
  return !impl_->unchanged();
}

const std::string& Module::build_id() const {
  return impl_->main.build_id();
}

std::uint64_t Module::address_of(std::uint64_t file_offset) const {
  return impl_->main.address_of(file_offset);
}

} // namespace leakbpf
