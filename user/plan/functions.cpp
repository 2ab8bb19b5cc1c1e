// SPDX-License-Identifier: Apache-2.0
#include "plan/functions.h"

#include <algorithm>
#include <array>

namespace leakbpf {

namespace {

constexpr std::uint64_t none = LEAKBPF_NO_ARGUMENT;

/// The arguments by their places; `none` where there is no such argument.
constexpr std::uint8_t mask(std::uint64_t a, std::uint64_t b = none, std::uint64_t c = none) {
  unsigned bits = 0;
  for (const std::uint64_t place : {a, b, c})
    bits |= place == none ? 0U : 1U << place;
  return static_cast<std::uint8_t>(bits);
}

constexpr AllocationFunction allocate(std::string_view name, std::uint64_t size_arg,
                                      std::uint64_t count_arg = none) {
  return {name, LEAKBPF_OP_ALLOCATE,
          LEAKBPF_COOKIE(LEAKBPF_OP_ALLOCATE, size_arg, count_arg, none, 0),
          mask(size_arg, count_arg), LEAKBPF_KIND_HEAP};
}

/// Some allocators serve these by another function that is probed.
constexpr AllocationFunction allocate_aligned(std::string_view name, std::uint64_t size_arg,
                                              std::uint64_t count_arg = none,
                                              bool result_in_memory = false) {
  return {name, LEAKBPF_OP_ALLOCATE,
          LEAKBPF_COOKIE(LEAKBPF_OP_ALLOCATE, size_arg, count_arg, none, result_in_memory) |
              LEAKBPF_COOKIE_NESTS,
          mask(size_arg, count_arg, result_in_memory ? 0 : none), LEAKBPF_KIND_HEAP};
}

constexpr AllocationFunction reallocate(std::string_view name, std::uint64_t pointer_arg,
                                        std::uint64_t size_arg, std::uint64_t count_arg = none) {
  return {name, LEAKBPF_OP_REALLOCATE,
          LEAKBPF_COOKIE(LEAKBPF_OP_REALLOCATE, size_arg, count_arg, pointer_arg, 0),
          mask(pointer_arg, size_arg, count_arg), LEAKBPF_KIND_HEAP};
}

constexpr AllocationFunction release(std::string_view name) {
  return {name, LEAKBPF_OP_FREE, LEAKBPF_COOKIE(LEAKBPF_OP_FREE, none, none, 0, 0), mask(0),
          LEAKBPF_KIND_HEAP};
}

constexpr AllocationFunction range(std::string_view name, leakbpf_operation operation,
                                   std::uint8_t arguments) {
  return {name, operation, LEAKBPF_COOKIE(operation, none, none, none, 0), arguments,
          operation == LEAKBPF_OP_BRK ? LEAKBPF_KIND_BRK : LEAKBPF_KIND_MMAP};
}

// Where several names share one address (mmap and mmap64), the first here names it.
constexpr std::array functions{
    // C, and what its libraries add
    allocate("malloc", 0),
    allocate("calloc", 1, 0),
    reallocate("realloc", 0, 1),
    reallocate("reallocarray", 0, 1, 2),
    reallocate("reallocf", 0, 1),
    release("free"),
    release("cfree"),
    release("free_sized"),
    release("free_aligned_sized"),
    allocate_aligned("posix_memalign", 2, none, true),
    allocate_aligned("aligned_alloc", 1),
    allocate_aligned("memalign", 1),
    allocate_aligned("valloc", 0),
    allocate_aligned("pvalloc", 0),
    // C++: operator new and delete
    allocate("_Znwm", 0),
    allocate("_Znam", 0),
    allocate("_ZnwmRKSt9nothrow_t", 0),
    allocate("_ZnamRKSt9nothrow_t", 0),
    allocate_aligned("_ZnwmSt11align_val_t", 0),
    allocate_aligned("_ZnamSt11align_val_t", 0),
    allocate_aligned("_ZnwmSt11align_val_tRKSt9nothrow_t", 0),
    allocate_aligned("_ZnamSt11align_val_tRKSt9nothrow_t", 0),
    allocate("_Znwm12__hot_cold_t", 0),
    allocate("_Znam12__hot_cold_t", 0),
    allocate("_ZnwmRKSt9nothrow_t12__hot_cold_t", 0),
    allocate("_ZnamRKSt9nothrow_t12__hot_cold_t", 0),
    allocate_aligned("_ZnwmSt11align_val_t12__hot_cold_t", 0),
    allocate_aligned("_ZnamSt11align_val_t12__hot_cold_t", 0),
    allocate_aligned("_ZnwmSt11align_val_tRKSt9nothrow_t12__hot_cold_t", 0),
    allocate_aligned("_ZnamSt11align_val_tRKSt9nothrow_t12__hot_cold_t", 0),
    release("_ZdlPv"),
    release("_ZdaPv"),
    release("_ZdlPvm"),
    release("_ZdaPvm"),
    release("_ZdlPvRKSt9nothrow_t"),
    release("_ZdaPvRKSt9nothrow_t"),
    release("_ZdlPvSt11align_val_t"),
    release("_ZdaPvSt11align_val_t"),
    release("_ZdlPvmSt11align_val_t"),
    release("_ZdaPvmSt11align_val_t"),
    release("_ZdlPvSt11align_val_tRKSt9nothrow_t"),
    release("_ZdaPvSt11align_val_tRKSt9nothrow_t"),
    // jemalloc
    allocate("mallocx", 0),
    reallocate("rallocx", 0, 1),
    release("dallocx"),
    release("sdallocx"),
    // tcmalloc
    allocate("tc_malloc_skip_new_handler", 0),
    allocate("tc_new", 0),
    allocate("tc_newarray", 0),
    allocate("tc_new_nothrow", 0),
    allocate("tc_newarray_nothrow", 0),
    allocate_aligned("tc_new_aligned", 0),
    allocate_aligned("tc_newarray_aligned", 0),
    allocate_aligned("tc_new_aligned_nothrow", 0),
    allocate_aligned("tc_newarray_aligned_nothrow", 0),
    release("tc_delete"),
    release("tc_deletearray"),
    release("tc_delete_sized"),
    release("tc_deletearray_sized"),
    release("tc_delete_nothrow"),
    release("tc_deletearray_nothrow"),
    release("tc_delete_aligned"),
    release("tc_deletearray_aligned"),
    release("tc_delete_sized_aligned"),
    release("tc_deletearray_sized_aligned"),
    release("tc_delete_aligned_nothrow"),
    release("tc_deletearray_aligned_nothrow"),
    // mimalloc: what there is for a heap of the program's own takes it as the first argument
    allocate("mi_malloc_small", 0),
    allocate("mi_zalloc", 0),
    allocate("mi_zalloc_small", 0),
    allocate("mi_mallocn", 1, 0),
    allocate("mi_new", 0),
    allocate("mi_new_n", 1, 0),
    allocate("mi_new_nothrow", 0),
    allocate_aligned("mi_new_aligned", 0),
    allocate_aligned("mi_new_aligned_nothrow", 0),
    allocate_aligned("mi_malloc_aligned", 0),
    allocate_aligned("mi_malloc_aligned_at", 0),
    allocate_aligned("mi_zalloc_aligned", 0),
    allocate_aligned("mi_zalloc_aligned_at", 0),
    allocate_aligned("mi_calloc_aligned", 1, 0),
    allocate_aligned("mi_calloc_aligned_at", 1, 0),
    reallocate("mi_reallocn", 0, 2, 1),
    reallocate("mi_rezalloc", 0, 1),
    reallocate("mi_recalloc", 0, 2, 1),
    reallocate("mi_realloc_aligned", 0, 1),
    reallocate("mi_realloc_aligned_at", 0, 1),
    reallocate("mi_rezalloc_aligned", 0, 1),
    reallocate("mi_rezalloc_aligned_at", 0, 1),
    reallocate("mi_recalloc_aligned", 0, 2, 1),
    reallocate("mi_recalloc_aligned_at", 0, 2, 1),
    reallocate("mi_new_realloc", 0, 1),
    reallocate("mi_new_reallocn", 0, 2, 1),
    release("mi_free_size"),
    release("mi_free_aligned"),
    release("mi_free_size_aligned"),
    allocate("mi_heap_malloc", 1),
    allocate("mi_heap_malloc_small", 1),
    allocate("mi_heap_zalloc", 1),
    allocate("mi_heap_calloc", 2, 1),
    allocate("mi_heap_mallocn", 2, 1),
    allocate("mi_heap_alloc_new", 1),
    allocate("mi_heap_alloc_new_n", 2, 1),
    allocate_aligned("mi_heap_malloc_aligned", 1),
    allocate_aligned("mi_heap_malloc_aligned_at", 1),
    allocate_aligned("mi_heap_zalloc_aligned", 1),
    allocate_aligned("mi_heap_zalloc_aligned_at", 1),
    allocate_aligned("mi_heap_calloc_aligned", 2, 1),
    allocate_aligned("mi_heap_calloc_aligned_at", 2, 1),
    reallocate("mi_heap_realloc", 1, 2),
    reallocate("mi_heap_reallocn", 1, 3, 2),
    reallocate("mi_heap_reallocf", 1, 2),
    reallocate("mi_heap_rezalloc", 1, 2),
    reallocate("mi_heap_recalloc", 1, 3, 2),
    reallocate("mi_heap_realloc_aligned", 1, 2),
    reallocate("mi_heap_realloc_aligned_at", 1, 2),
    reallocate("mi_heap_rezalloc_aligned", 1, 2),
    reallocate("mi_heap_rezalloc_aligned_at", 1, 2),
    reallocate("mi_heap_recalloc_aligned", 1, 3, 2),
    reallocate("mi_heap_recalloc_aligned_at", 1, 3, 2),
    // memory from the kernel
    range("mmap", LEAKBPF_OP_MMAP, 0b110),
    range("mmap64", LEAKBPF_OP_MMAP, 0b110),
    range("munmap", LEAKBPF_OP_MUNMAP, 0b11),
    range("mremap", LEAKBPF_OP_MREMAP, 0b1111),
    range("brk", LEAKBPF_OP_BRK, 0),
    range("sbrk", LEAKBPF_OP_BRK, 0),
};

static_assert(functions.size() <= 256);

/// Places in `functions`, in the order of the names: a file may have a million names to look up.
constexpr auto by_name = [] {
  std::array<std::uint8_t, functions.size()> places{};
  for (std::size_t i = 0; i < places.size(); i++)
    places[i] = static_cast<std::uint8_t>(i);
  std::sort(places.begin(), places.end(),
            [](std::uint8_t a, std::uint8_t b) { return functions[a].name < functions[b].name; });
  return places;
}();

constexpr AllocationFunction new_pool(std::uint64_t size_bits) {
  return {"allocate_from_new_pool", LEAKBPF_OP_PYTHON_POOL,
          LEAKBPF_COOKIE(LEAKBPF_OP_PYTHON_POOL, size_bits, none, none, 0), 0, LEAKBPF_KIND_PYTHON};
}
constexpr AllocationFunction new_small_pool = new_pool(12);
constexpr AllocationFunction new_large_pool = new_pool(14);

} // namespace

const AllocationFunction& python_pool_function(std::uint32_t pool_bytes) {
  return pool_bytes == 1U << 12 ? new_small_pool : new_large_pool;
}

std::span<const AllocationFunction> allocation_functions() {
  return functions;
}

const AllocationFunction* find_allocation_function(std::string_view name) {
  const auto found = std::lower_bound(
      by_name.begin(), by_name.end(), name,
      [](std::uint8_t place, std::string_view text) { return functions[place].name < text; });
  return found != by_name.end() && functions[*found].name == name ? &functions[*found] : nullptr;
}

const AllocationFunction* find_prefixed_function(std::string_view name) {
  for (const std::string_view prefix : {"je_", "_rjem_", "tc_", "mi_"}) {
    if (!name.starts_with(prefix))
      continue;
    const AllocationFunction* const found = find_allocation_function(name);
    if (found)
      return found;
    const AllocationFunction* const plain = find_allocation_function(name.substr(prefix.size()));
    return plain && plain->kind == LEAKBPF_KIND_HEAP ? plain : nullptr;
  }
  return nullptr;
}

} // namespace leakbpf
