// SPDX-License-Identifier: Apache-2.0
#include "python/pool_function.h"

#include "python/code_follower.h"
#include "unwind/function_ranges.h"

#include <algorithm>
#include <array>
#include <set>

#include <Zydis/Zydis.h>

namespace leakbpf {

namespace {

constexpr std::uint64_t most_code = 2048; ///< bytes of a function that are looked at
constexpr std::uint64_t largest_request = 512;
constexpr std::uint32_t no_size_class = 0xffff; ///< DUMMY_SIZE_IDX of a pool that was never used

struct Facts {
  std::set<std::uint64_t> calls; ///< direct ones, by address
  bool writes_no_size_class = false;
  bool knows_small_pools = false; ///< 4 KiB
  bool knows_large_pools = false; ///< 16 KiB
  bool compares_sizes = false;    ///< with the largest request: it serves every allocation
};

Facts facts_of(const CodeBlock& block) {
  Facts facts;
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  std::size_t at = 0;
  while (at < block.code.size()) {
    ZydisDecodedInstruction instruction;
    std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, &block.code[at], block.code.size() - at,
                                           &instruction, operands.data())))
      break;
    ZyanU64 target = 0;
    if (instruction.meta.category == ZYDIS_CATEGORY_CALL &&
        operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
        ZYAN_SUCCESS(
            ZydisCalcAbsoluteAddress(&instruction, operands.data(), block.address + at, &target)))
      facts.calls.insert(target);
    for (std::size_t i = 0; i < instruction.operand_count_visible; i++) {
      const ZydisDecodedOperand& operand = operands.at(i);
      std::uint64_t constant = 0;
      if (operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        constant = operand.imm.value.u;
      else if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY)
        constant = static_cast<std::uint64_t>(operand.mem.disp.value);
      const bool to_memory = i == 1 && operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
      facts.writes_no_size_class |= to_memory && constant == no_size_class;
      facts.compares_sizes |= instruction.mnemonic == ZYDIS_MNEMONIC_CMP && i == 1 &&
                              (constant == largest_request || constant == largest_request - 1);
      facts.knows_small_pools |= constant == 0x1000;
      facts.knows_large_pools |= constant == 0x4000;
    }
    at += instruction.length;
  }
  return facts;
}

std::optional<PoolFunction> as_pool_function(const CodeBlock& block) {
  const Facts facts = facts_of(block);
  if (facts.compares_sizes || !facts.writes_no_size_class ||
      facts.knows_small_pools == facts.knows_large_pools)
    return std::nullopt;
  return PoolFunction{block.address, block.code, facts.knows_large_pools ? 0x4000U : 0x1000U};
}

} // namespace

std::optional<PoolFunction> find_pool_function(const ElfFile& file,
                                               const InterpreterFile& interpreter,
                                               std::uint64_t bias, const ProcessMemory& memory) {
  if (!interpreter.new_pool.code.empty())
    return as_pool_function(interpreter.new_pool);
  const FunctionRanges functions = function_ranges(file);
  const auto function_at = [&](std::uint64_t address) -> CodeBlock {
    const auto function = functions.find(address);
    if (function == functions.end())
      return {};
    return code_at(file, address, std::min(function->second - address, most_code));
  };
  std::vector<CodeBlock> callers{interpreter.object_malloc};
  // Builds that inline less only jump to the allocator that is set.
  const auto jump = follow_to_jump(interpreter.object_malloc.code,
                                   bias + interpreter.object_malloc.address, memory);
  if (jump && *jump > bias)
    callers.push_back(function_at(*jump - bias));
  for (const CodeBlock& caller : callers)
    for (const std::uint64_t callee : facts_of(caller).calls)
      if (auto found = as_pool_function(function_at(callee)))
        return found;
  return std::nullopt;
}

} // namespace leakbpf
