// SPDX-License-Identifier: Apache-2.0
// A static program without a libc: nothing in it allocates.
void _start(void) {
  for (;;) {
    long result = 0;
    __asm__ volatile("syscall" : "=a"(result) : "a"(34L /* pause */) : "rcx", "r11", "memory");
  }
}
