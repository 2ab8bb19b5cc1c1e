// SPDX-License-Identifier: Apache-2.0
#include "python/pool_function.h"

#include "python/code_follower.h"
#include "python/instruction_cursor.h"
#include "unwind/function_ranges.h"

#include <algorithm>
#include <set>

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

/// What the instruction at hand adds to the facts.
void note(const InstructionCursor& cursor, Facts& facts) {
  if (cursor.category() == ZYDIS_CATEGORY_CALL &&
      cursor.operand(0).type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
    if (const auto target = cursor.absolute(0))
      facts.calls.insert(*target);
  const bool compares = cursor.instruction().mnemonic == ZYDIS_MNEMONIC_CMP;
  const bool to_memory = cursor.operand(0).type == ZYDIS_OPERAND_TYPE_MEMORY;
  for (std::size_t i = 0; i < cursor.instruction().operand_count_visible; i++) {
    const ZydisDecodedOperand& operand = cursor.operand(i);
    std::uint64_t constant = 0;
    if (operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
      constant = operand.imm.value.u;
    else if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY)
      constant = static_cast<std::uint64_t>(operand.mem.disp.value);
    facts.writes_no_size_class |= i == 1 && to_memory && constant == no_size_class;
    facts.compares_sizes |=
        i == 1 && compares && (constant == largest_request || constant == largest_request - 1);
    facts.knows_small_pools |= constant == 0x1000;
    facts.knows_large_pools |= constant == 0x4000;
  }
}

Facts facts_of(const CodeBlock& block) {
  Facts facts;
  for (InstructionCursor cursor(block.code, block.address); cursor.next();)
    note(cursor, facts);
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
  const auto code_of = [&](std::uint64_t address) -> CodeBlock {
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
    callers.push_back(code_of(*jump - bias));
  for (const CodeBlock& caller : callers)
    for (const std::uint64_t callee : facts_of(caller).calls)
      if (auto found = as_pool_function(code_of(callee)))
        return found;
  return std::nullopt;
}

} // namespace leakbpf
