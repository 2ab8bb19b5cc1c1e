// SPDX-License-Identifier: Apache-2.0
#include "unwind/function_ranges.h"

#include "unwind/cfi_reader.h"
#include "unwind/elf_code.h"

namespace leakbpf {

FunctionRanges function_ranges(const ElfFile& file) {
  FunctionRanges functions;
  const auto section = find_eh_frame(file);
  if (!section)
    return functions;
  CfiReader reader(section->section);
  while (const auto fde = reader.next())
    functions[fde->address] = fde->address + fde->size;
  return functions;
}

FunctionRanges::const_iterator function_at(const FunctionRanges& functions, std::uint64_t address) {
  auto function = functions.upper_bound(address);
  if (function == functions.begin() || address >= (--function)->second)
    return functions.end();
  return function;
}

} // namespace leakbpf
