// SPDX-License-Identifier: Apache-2.0
// A library with a thousand functions, so that its symbol table is one worth reading; the first
// takes memory.
#include <cstdlib>

#define FUNCTION(n)                                                                                \
  extern "C" int function_##n(int x) {                                                             \
    return x * 3 + 1##n;                                                                           \
  }
#define TEN(n)                                                                                     \
  FUNCTION(n##0)                                                                                   \
  FUNCTION(n##1)                                                                                   \
  FUNCTION(n##2)                                                                                   \
  FUNCTION(n##3)                                                                                   \
  FUNCTION(n##4)                                                                                   \
  FUNCTION(n##5)                                                                                   \
  FUNCTION(n##6)                                                                                   \
  FUNCTION(n##7)                                                                                   \
  FUNCTION(n##8)                                                                                   \
  FUNCTION(n##9)
#define HUNDRED(n)                                                                                 \
  TEN(n##0)                                                                                        \
  TEN(n##1)                                                                                        \
  TEN(n##2)                                                                                        \
  TEN(n##3)                                                                                        \
  TEN(n##4)                                                                                        \
  TEN(n##5)                                                                                        \
  TEN(n##6)                                                                                        \
  TEN(n##7)                                                                                        \
  TEN(n##8)                                                                                        \
  TEN(n##9)

HUNDRED(0)
HUNDRED(1)
HUNDRED(2)
HUNDRED(3)
HUNDRED(4)
HUNDRED(5)
HUNDRED(6)
HUNDRED(7)
HUNDRED(8)
HUNDRED(9)

extern "C" void* take(std::size_t size) {
  void* block = std::malloc(size);
  asm volatile("" : : "r"(block) : "memory");
  return block;
}
