// SPDX-License-Identifier: Apache-2.0
// Takes memory by each function of an allocator's family, and keeps the ledger of what it does not
// give back. In C, so that every C library can be its own.
//
//   allocator_family c|c23|jemalloc|tcmalloc|mimalloc
//
// Says "ready PID", waits for a line, runs the case, says "heap BYTES COUNT" and "done", and waits
// for another line.
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { rounds = 300 };

static long bytes;
static long count;

static void took(void* block, size_t size) {
  if (!block)
    _exit(9);
  memset(block, 1, size);
  bytes += (long)size;
  count++;
}

static void gave(size_t size) {
  bytes -= (long)size;
  count--;
}

static size_t size_of(int i) {
  return (size_t)i * 37 % 9000 + 1;
}

/* Of blocks that `release` frees each third is kept. */
#define KEEP_THIRD(i, block, size, release)                                                        \
  do {                                                                                             \
    void* const block_ = (block);                                                                  \
    took(block_, size);                                                                            \
    if ((i) % 3) {                                                                                 \
      release;                                                                                     \
      gave(size);                                                                                  \
    }                                                                                              \
  } while (0)

/* ---- C ----------------------------------------------------------------------------------------
 */

void* memalign(size_t alignment, size_t size);

static void* grown(size_t size) {
  void* block = realloc(NULL, 10);
  block = realloc(block, size / 2 + 1);
  void* wall = malloc(size);
  block = realloc(block, size + 70000);
  free(wall);
  return realloc(block, size);
}

static void case_c(void) {
  for (int i = 0; i < rounds; i++) {
    const size_t size = size_of(i);
    void* aligned = NULL;
    KEEP_THIRD(i, malloc(size), size, free(block_));
    KEEP_THIRD(i, calloc(3, size), 3 * size, free(block_));
    KEEP_THIRD(i, grown(size), size, free(block_));
    KEEP_THIRD(i, memalign(256, size), size, free(block_));
    KEEP_THIRD(i, aligned_alloc(64, 64 * size), 64 * size, free(block_));
    if (posix_memalign(&aligned, 128, size))
      _exit(9);
    KEEP_THIRD(i, aligned, size, free(block_));
    KEEP_THIRD(i, strdup("a string that is copied"), 24, free(block_));
  }
}

/* C23 has these; no C library of today does: an allocator that is preloaded may. */
void free_sized(void* block, size_t size) __attribute__((weak));
void free_aligned_sized(void* block, size_t alignment, size_t size) __attribute__((weak));

static void case_c23(void) {
  if (!free_sized || !free_aligned_sized)
    _exit(8);
  for (int i = 0; i < rounds; i++) {
    const size_t size = size_of(i);
    KEEP_THIRD(i, malloc(size), size, free_sized(block_, size));
    KEEP_THIRD(i, aligned_alloc(64, 64 * size), 64 * size,
               free_aligned_sized(block_, 64, 64 * size));
  }
}

/* ---- jemalloc ---------------------------------------------------------------------------------
 */

#ifdef JEMALLOC_PREFIX
#define JOINED(a, b) a##b
#define PREFIXED(prefix, name) JOINED(prefix, name)
#define JEMALLOC(name) PREFIXED(JEMALLOC_PREFIX, name)
#else
#define JEMALLOC(name) name
#endif
void* JEMALLOC(mallocx)(size_t size, int flags) __attribute__((weak));
void* JEMALLOC(rallocx)(void* block, size_t size, int flags) __attribute__((weak));
void JEMALLOC(dallocx)(void* block, int flags) __attribute__((weak));
void JEMALLOC(sdallocx)(void* block, size_t size, int flags) __attribute__((weak));

static void case_jemalloc(void) {
  if (!JEMALLOC(mallocx))
    _exit(8);
  const int zeroed = 0x40;
  const int aligned_to_128 = 7;
  for (int i = 0; i < rounds; i++) {
    const size_t size = size_of(i);
    KEEP_THIRD(i, JEMALLOC(mallocx)(size, 0), size, JEMALLOC(dallocx)(block_, 0));
    KEEP_THIRD(i, JEMALLOC(mallocx)(size, zeroed), size, JEMALLOC(sdallocx)(block_, size, 0));
    KEEP_THIRD(i, JEMALLOC(rallocx)(JEMALLOC(mallocx)(50, 0), size + 30000, 0), size + 30000,
               JEMALLOC(sdallocx)(block_, size + 30000, 0));
    KEEP_THIRD(i, JEMALLOC(mallocx)(size, aligned_to_128), size,
               JEMALLOC(sdallocx)(block_, size, aligned_to_128));
  }
}

/* ---- tcmalloc ---------------------------------------------------------------------------------
 */

void* tc_malloc(size_t size) __attribute__((weak));
void* tc_calloc(size_t number, size_t size) __attribute__((weak));
void* tc_realloc(void* block, size_t size) __attribute__((weak));
void* tc_memalign(size_t alignment, size_t size) __attribute__((weak));
void* tc_new(size_t size) __attribute__((weak));
void tc_free(void* block) __attribute__((weak));
void tc_free_sized(void* block, size_t size) __attribute__((weak));
void tc_delete_sized(void* block, size_t size) __attribute__((weak));

static void case_tcmalloc(void) {
  if (!tc_malloc)
    _exit(8);
  for (int i = 0; i < rounds; i++) {
    const size_t size = size_of(i);
    KEEP_THIRD(i, tc_malloc(size), size, tc_free(block_));
    KEEP_THIRD(i, tc_calloc(2, size), 2 * size, tc_free_sized(block_, 2 * size));
    KEEP_THIRD(i, tc_realloc(tc_malloc(50), size + 30000), size + 30000, tc_free(block_));
    KEEP_THIRD(i, tc_memalign(128, size), size, tc_free(block_));
    KEEP_THIRD(i, tc_new(size), size, tc_delete_sized(block_, size));
  }
}

/* ---- mimalloc ---------------------------------------------------------------------------------
 */

typedef struct mi_heap_s mi_heap_t;
mi_heap_t* mi_heap_new(void) __attribute__((weak));
void* mi_malloc(size_t size) __attribute__((weak));
void* mi_zalloc(size_t size) __attribute__((weak));
void* mi_mallocn(size_t number, size_t size) __attribute__((weak));
void* mi_malloc_aligned(size_t size, size_t alignment) __attribute__((weak));
void* mi_realloc(void* block, size_t size) __attribute__((weak));
void* mi_rezalloc(void* block, size_t size) __attribute__((weak));
void* mi_reallocn(void* block, size_t number, size_t size) __attribute__((weak));
void* mi_heap_malloc(mi_heap_t* heap, size_t size) __attribute__((weak));
void* mi_heap_calloc(mi_heap_t* heap, size_t number, size_t size) __attribute__((weak));
void* mi_heap_realloc(mi_heap_t* heap, void* block, size_t size) __attribute__((weak));
void* mi_heap_recalloc(mi_heap_t* heap, void* block, size_t number, size_t size)
    __attribute__((weak));
void* mi_heap_malloc_aligned(mi_heap_t* heap, size_t size, size_t alignment) __attribute__((weak));
void mi_free(void* block) __attribute__((weak));
void mi_free_size(void* block, size_t size) __attribute__((weak));
void mi_free_size_aligned(void* block, size_t size, size_t alignment) __attribute__((weak));

/* Made before the tracing begins: it lies in a block of its own. */
static mi_heap_t* own_heap;

static void case_mimalloc(void) {
  if (!mi_malloc)
    _exit(8);
  mi_heap_t* const heap = own_heap;
  for (int i = 0; i < rounds; i++) {
    const size_t size = size_of(i);
    KEEP_THIRD(i, mi_malloc(size), size, mi_free(block_));
    KEEP_THIRD(i, mi_zalloc(size), size, mi_free_size(block_, size));
    KEEP_THIRD(i, mi_mallocn(5, size), 5 * size, mi_free(block_));
    KEEP_THIRD(i, mi_malloc_aligned(size, 128), size, mi_free_size_aligned(block_, size, 128));
    KEEP_THIRD(i, mi_realloc(mi_malloc(9), size), size, mi_free(block_));
    KEEP_THIRD(i, mi_rezalloc(NULL, size), size, mi_free(block_));
    KEEP_THIRD(i, mi_reallocn(mi_malloc(9), 3, size), 3 * size, mi_free(block_));
    KEEP_THIRD(i, mi_heap_malloc(heap, size), size, mi_free(block_));
    KEEP_THIRD(i, mi_heap_calloc(heap, 3, size), 3 * size, mi_free(block_));
    KEEP_THIRD(i, mi_heap_realloc(heap, mi_malloc(70), size), size, mi_free(block_));
    KEEP_THIRD(i, mi_heap_recalloc(heap, NULL, 4, size), 4 * size, mi_free(block_));
    KEEP_THIRD(i, mi_heap_malloc_aligned(heap, size, 512), size, mi_free(block_));
  }
}

/* -----------------------------------------------------------------------------------------------
 */

static void wait_for_line(void) {
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {
  }
}

static void say(const char* format, long first, long second) {
  char line[100];
  const int length = snprintf(line, sizeof line, format, first, second);
  if (write(STDOUT_FILENO, line, (size_t)length) != length)
    _exit(9);
}

static const struct {
  const char* name;
  void (*run)(void);
} cases[] = {{"c", case_c},
             {"c23", case_c23},
             {"jemalloc", case_jemalloc},
             {"tcmalloc", case_tcmalloc},
             {"mimalloc", case_mimalloc}};

int main(int argc, char** argv) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (argc != 2 || strcmp(argv[1], cases[i].name) != 0)
      continue;
    if (mi_heap_new)
      own_heap = mi_heap_new();
    say("ready %ld\n", (long)getpid(), 0);
    wait_for_line();
    cases[i].run();
    say("heap %ld %ld\n", bytes, count);
    say("done\n", 0, 0);
    wait_for_line();
    _exit(0);
  }
  return 2;
}
