// SPDX-License-Identifier: Apache-2.0
// Kind: all of a program's memory goes through two functions of its own; one of three users leaks.
// Build: gcc -O2 -g pooled_strings.c -o pooled_strings
// Run: ./pooled_strings
// Culprit: open_ticket
// True: open_ticket leaks 3,000 bytes 100 times a second, 17 MB/min. log_line gives back at once,
// last_seen replaces what it holds.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_OF_LINE __attribute__((noinline))

OUT_OF_LINE static void* take(size_t size) {
  void* block = calloc(1, size);
  if (!block)
    abort();
  return block;
}

OUT_OF_LINE static char* copy_text(const char* text, size_t size) {
  char* copy = take(size + 1);
  memcpy(copy, text, size);
  return copy;
}

static char text[4000];
static char* volatile kept;
static char* seen[500];

OUT_OF_LINE static void open_ticket(void) {
  kept = copy_text(text, 3000); // LEAK
}

OUT_OF_LINE static void log_line(int number) {
  char* line = copy_text(text, 100 + (size_t)number % 50);
  kept = line;
  free(line);
}

OUT_OF_LINE static void last_seen(int number) {
  free(seen[number % 500]);
  seen[number % 500] = copy_text(text, 200);
}

int main(void) {
  memset(text, 'x', sizeof(text) - 1);
  for (int number = 0;; number++) {
    open_ticket();
    for (int i = 0; i < 20; i++) {
      log_line(i);
      last_seen(number * 20 + i);
    }
    usleep(10000);
  }
}
