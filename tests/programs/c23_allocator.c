// SPDX-License-Identifier: Apache-2.0
// An allocator to preload with C23's functions, and nothing else that is its own: blocks come from
// one array and are never used again, so that nothing else is called.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static char memory[256 << 20];
static size_t used;

/* Its size lies in front of a block. */
static void* take(size_t alignment, size_t size) {
  const size_t align = alignment < 16 ? 16 : alignment;
  for (;;) {
    size_t from = __atomic_load_n(&used, __ATOMIC_RELAXED);
    const size_t at = (from + sizeof(size_t) + align - 1) / align * align;
    if (size > sizeof memory || at + size > sizeof memory)
      return NULL;
    if (!__atomic_compare_exchange_n(&used, &from, at + size, 0, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED))
      continue;
    memcpy(memory + at - sizeof(size_t), &size, sizeof size);
    return memory + at;
  }
}

void* malloc(size_t size) {
  return take(16, size);
}
void* calloc(size_t number, size_t size) {
  return take(16, number * size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  return take(alignment, size);
}
void* realloc(void* block, size_t size) {
  size_t before = 0;
  void* const moved = take(16, size);
  if (block && moved) {
    memcpy(&before, (char*)block - sizeof before, sizeof before);
    memcpy(moved, block, before < size ? before : size);
  }
  return moved;
}
/* Something to do, so that no two of them become one. */
static volatile uintptr_t last;
void free(void* block) {
  last = (uintptr_t)block;
}
void free_sized(void* block, size_t size) {
  last = (uintptr_t)block + size;
}
void free_aligned_sized(void* block, size_t alignment, size_t size) {
  last = (uintptr_t)block + size + alignment;
}
