// SPDX-License-Identifier: Apache-2.0
// An allocator in a library of its own, built with -fcf-protection=full as on Ubuntu and Fedora, so
// that each function begins with endbr64. It stands before libc's (LD_PRELOAD) and calls that: one
// allocation seen by two layers of probes, which must be counted once.
#include <errno.h>
#include <stddef.h>

extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* block, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void* block);

static volatile unsigned long calls; // keeps the calls below from becoming jumps

void* malloc(size_t size) {
  void* block = __libc_malloc(size);
  calls++;
  return block;
}

void* calloc(size_t count, size_t size) {
  void* block = __libc_calloc(count, size);
  calls++;
  return block;
}

void* realloc(void* block, size_t size) {
  void* moved = __libc_realloc(block, size);
  calls++;
  return moved;
}

void free(void* block) {
  __libc_free(block);
  calls++;
}

int posix_memalign(void** result, size_t alignment, size_t size) {
  if (alignment < sizeof(void*) || (alignment & (alignment - 1)) != 0)
    return EINVAL;
  void* block = __libc_memalign(alignment, size);
  calls++;
  if (!block)
    return ENOMEM;
  *result = block;
  return 0;
}

// A tail call: the same return address serves both layers.
void* aligned_alloc(size_t alignment, size_t size) {
  return __libc_memalign(alignment, size);
}
