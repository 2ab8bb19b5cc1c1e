/* SPDX-License-Identifier: Apache-2.0 */
#include "abi_facts.h"

#define ABI_FACT(expression) {#expression, (unsigned long long)(expression)},
const struct abi_fact abi_facts_of_c[] = {
#include "abi_facts.inc"
};
const size_t abi_fact_count_of_c = sizeof abi_facts_of_c / sizeof abi_facts_of_c[0];
