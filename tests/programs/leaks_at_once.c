// SPDX-License-Identifier: Apache-2.0
// Leaks 100 blocks with its first instructions.
#include <stdlib.h>

int main(void) {
  for (int i = 0; i < 100; i++)
    if (!malloc(1000))
      return 1;
  return 3;
}
