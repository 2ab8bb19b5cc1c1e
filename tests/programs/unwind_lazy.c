// SPDX-License-Identifier: Apache-2.0
// Calls through a linkage table that is filled at the first call, and an allocation of the dynamic
// linker's own making.
#include "unwind_case.h"

extern size_t lazy_size;
int lazy_chosen(void);
void lazy_function(size_t size);

NOINLINE void case_first_call(size_t size) {
  lazy_function(size);
  NOT_THE_END();
}

NOINLINE void case_second_call(size_t size) {
  lazy_function(size);
  NOT_THE_END();
}

NOINLINE void case_while_binding(size_t size) {
  lazy_size = size;
  if (lazy_chosen() != 1)
    fail("lazy_chosen");
  NOT_THE_END();
}

int main(void) {
  expect("first-call", 16001, "lazy_leaf lazy_function case_first_call " FROM_MAIN);
  expect("second-call", 16002, "lazy_leaf lazy_function case_second_call " FROM_MAIN);
  printf("accept while-binding size=%d: lazy_cho* <ld-linux-x86-64.so.2> "
         "case_while_binding " FROM_MAIN "\n",
         16003);
  begin();
  case_first_call(16001);
  case_second_call(16002);
  case_while_binding(16003);
  finish();
}
