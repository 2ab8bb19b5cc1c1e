// SPDX-License-Identifier: Apache-2.0
#include "python/arenas.h"

#include "python/instruction_cursor.h"
#include "python/pools.h"

#include <algorithm>
#include <vector>

namespace leakbpf {

namespace {

// struct arena_object of Objects/obmalloc.c, in words, the same from 3.8 to 3.14.
constexpr std::size_t arena_words = 6;
constexpr std::uint64_t arena_object_bytes = arena_words * sizeof(std::uint64_t);
constexpr std::uint64_t most_arenas = 1 << 16;
/// 1/3 modulo 2^64: how a compiler divides a distance of arena objects by 48, after a shift by 4.
constexpr std::uint64_t third = 0xaaaaaaaaaaaaaaab;

std::uint32_t arena_bytes_for(std::uint32_t pool_bytes) {
  return pool_bytes == 4096 ? 256U << 10 : 1U << 20;
}

/// Of glibc's and compatible allocators: the size of a block stands before it.
std::uint64_t heap_block_bytes(const ProcessMemory& memory, std::uint64_t block) {
  const auto size = memory.get<std::uint64_t>(block - sizeof(std::uint64_t));
  return size ? *size & ~std::uint64_t{7} : 0;
}

struct Arena {
  std::uint64_t first_pool = 0;
  std::uint64_t end_pool = 0; ///< behind the last one that was ever begun
};

/// The arenas of the list that are there; nothing when an entry makes no sense.
std::optional<std::vector<Arena>> read_arenas(const ProcessMemory& memory, const ArenaList& list) {
  const auto objects = memory.get<std::uint64_t>(list.pointer_at);
  if (!objects)
    return std::nullopt;
  std::vector<Arena> arenas;
  if (*objects == 0)
    return arenas;
  std::uint64_t count = heap_block_bytes(memory, *objects) / arena_object_bytes;
  if (list.count_at)
    count = memory.get<std::uint32_t>(*list.count_at).value_or(0);
  if (count > most_arenas)
    return std::nullopt;
  std::vector<std::uint64_t> words(count * arena_words);
  if (!words.empty() && !memory.read(*objects, words.data(), words.size() * sizeof(words[0])))
    return std::nullopt;
  const std::uint64_t pools_of_arena = list.bytes_of_arena / list.pool_bytes;
  for (std::size_t i = 0; i < words.size(); i += arena_words) {
    const std::uint64_t address = words[i];
    const std::uint64_t next_pool = words[i + 1];
    const auto free_pools = static_cast<std::uint32_t>(words[i + 2]);
    const std::uint64_t all_pools = words[i + 2] >> 32;
    if (address == 0)
      continue; // not taken
    if (free_pools > all_pools || all_pools > pools_of_arena || next_pool < address ||
        next_pool - address > list.bytes_of_arena)
      return std::nullopt;
    const std::uint64_t mask = list.pool_bytes - 1;
    arenas.push_back({(address + mask) & ~mask, next_pool});
  }
  return arenas;
}

} // namespace

std::optional<ArenaList> find_arena_list(PythonVersion version, const PoolFunction& function,
                                         std::uint64_t bias) {
  if (version >= PythonVersion{3, 12})
    return std::nullopt;
  std::uint64_t subtracted = 0; ///< the variable that was subtracted last
  for (InstructionCursor cursor(function.code, function.address); cursor.next();) {
    const ZydisDecodedOperand& source = cursor.operand(1);
    const auto mnemonic = cursor.instruction().mnemonic;
    if (mnemonic == ZYDIS_MNEMONIC_SUB && source.type == ZYDIS_OPERAND_TYPE_MEMORY)
      subtracted = cursor.absolute(1).value_or(subtracted);
    if (mnemonic == ZYDIS_MNEMONIC_MOV && subtracted != 0 &&
        source.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && source.imm.value.u == third)
      return ArenaList{bias + subtracted, std::nullopt, function.pool_bytes,
                       arena_bytes_for(function.pool_bytes)};
  }
  return std::nullopt;
}

ArenaList arena_list_of(std::uint64_t state, std::uint32_t pool_bytes) {
  constexpr std::uint64_t lists_of_pools = 512;
  return {state + lists_of_pools, state + lists_of_pools + 8, pool_bytes,
          arena_bytes_for(pool_bytes)};
}

std::optional<SmallObjectHeap> read_small_objects(const ProcessMemory& memory,
                                                  const ArenaList& list) {
  const auto arenas = read_arenas(memory, list);
  if (!arenas)
    return std::nullopt;
  SmallObjectHeap heap;
  heap.arenas = arenas->size();
  heap.arena_bytes = heap.arenas * list.bytes_of_arena;
  std::vector<ProcessMemory::Piece> headers;
  std::vector<std::uint64_t> words;
  constexpr std::size_t header_words = 6;
  constexpr std::size_t size_class_word = 4; // in its upper half
  for (const Arena& arena : *arenas) {
    headers.clear();
    for (std::uint64_t pool = arena.first_pool; pool < arena.end_pool; pool += list.pool_bytes)
      headers.push_back({pool, header_words * sizeof(std::uint64_t)});
    const std::size_t got = memory.read_pieces(headers, words);
    for (std::size_t i = 0; i < got; i++) {
      const auto used = static_cast<std::uint32_t>(words[i * header_words]);
      const std::uint64_t size_class = words[i * header_words + size_class_word] >> 32;
      if (used == 0 || size_class >= pool_size_classes)
        continue;
      heap.pools++;
      heap.pool_bytes += list.pool_bytes;
      heap.live_blocks += used;
      heap.live_bytes +=
          std::min<std::uint64_t>(used * (size_class + 1) * pool_alignment, list.pool_bytes);
    }
  }
  return heap;
}

} // namespace leakbpf
