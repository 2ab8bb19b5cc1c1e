// SPDX-License-Identifier: Apache-2.0
#include "target/functions.h"

#include <algorithm>
#include <array>

namespace leakbpf {

namespace {

constexpr std::uint64_t none = LEAKBPF_NO_ARGUMENT;

constexpr AllocationFunction allocate(std::string_view name, std::uint64_t size_arg,
                                      std::uint64_t count_arg, std::uint8_t arguments) {
  return {name, LEAKBPF_OP_ALLOCATE,
          LEAKBPF_COOKIE(LEAKBPF_OP_ALLOCATE, size_arg, count_arg, none, 0), arguments,
          LEAKBPF_KIND_HEAP};
}

/// Some allocators serve these by another function that is probed.
constexpr AllocationFunction allocate_aligned(std::string_view name, std::uint64_t size_arg,
                                              std::uint8_t arguments,
                                              bool result_in_memory = false) {
  return {name, LEAKBPF_OP_ALLOCATE,
          LEAKBPF_COOKIE(LEAKBPF_OP_ALLOCATE, size_arg, none, none, result_in_memory) |
              LEAKBPF_COOKIE_NESTS,
          arguments, LEAKBPF_KIND_HEAP};
}

constexpr AllocationFunction reallocate(std::string_view name, std::uint64_t count_arg,
                                        std::uint8_t arguments) {
  return {name, LEAKBPF_OP_REALLOCATE, LEAKBPF_COOKIE(LEAKBPF_OP_REALLOCATE, 1, count_arg, 0, 0),
          arguments, LEAKBPF_KIND_HEAP};
}

constexpr AllocationFunction release(std::string_view name) {
  return {name, LEAKBPF_OP_FREE, LEAKBPF_COOKIE(LEAKBPF_OP_FREE, none, none, 0, 0), 0b1,
          LEAKBPF_KIND_HEAP};
}

constexpr AllocationFunction range(std::string_view name, leakbpf_operation operation,
                                   std::uint8_t arguments) {
  return {name, operation, LEAKBPF_COOKIE(operation, none, none, none, 0), arguments,
          operation == LEAKBPF_OP_BRK ? LEAKBPF_KIND_BRK : LEAKBPF_KIND_MMAP};
}

// Where several names share one address (mmap and mmap64), the first here names it.
constexpr std::array functions{
    allocate("malloc", 0, none, 0b1),
    allocate("calloc", 1, 0, 0b11),
    reallocate("realloc", none, 0b11),
    reallocate("reallocarray", 2, 0b111),
    release("free"),
    release("cfree"),
    allocate_aligned("posix_memalign", 2, 0b101, true),
    allocate_aligned("aligned_alloc", 1, 0b10),
    allocate_aligned("memalign", 1, 0b10),
    allocate_aligned("valloc", 0, 0b1),
    allocate_aligned("pvalloc", 0, 0b1),
    range("mmap", LEAKBPF_OP_MMAP, 0b110),
    range("mmap64", LEAKBPF_OP_MMAP, 0b110),
    range("munmap", LEAKBPF_OP_MUNMAP, 0b11),
    range("mremap", LEAKBPF_OP_MREMAP, 0b1111),
    range("brk", LEAKBPF_OP_BRK, 0),
    range("sbrk", LEAKBPF_OP_BRK, 0),
};

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
  const auto found = std::find_if(functions.begin(), functions.end(),
                                  [&](const AllocationFunction& f) { return f.name == name; });
  return found == functions.end() ? nullptr : &*found;
}

} // namespace leakbpf
