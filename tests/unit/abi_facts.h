/* SPDX-License-Identifier: Apache-2.0 */
/* What a C compiler makes of leakbpf/abi.h, for the C++ test. */
#ifndef LEAKBPF_TESTS_ABI_FACTS_H
#define LEAKBPF_TESTS_ABI_FACTS_H

#include <leakbpf/abi.h>

#include <stddef.h>

struct abi_fact {
  const char* expression;
  unsigned long long value;
};

#ifdef __cplusplus
extern "C" {
#endif
extern const struct abi_fact abi_facts_of_c[];
extern const size_t abi_fact_count_of_c;
#ifdef __cplusplus
}
#endif

#endif
