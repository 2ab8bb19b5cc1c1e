// SPDX-License-Identifier: Apache-2.0
// Is named like a Python and is none; leaks.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void* volatile kept;

int main(void) {
  puts("ready");
  fflush(stdout);
  for (;;) {
    kept = malloc(9000);
    usleep(10000);
  }
}
