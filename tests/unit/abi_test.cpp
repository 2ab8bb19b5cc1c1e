// SPDX-License-Identifier: Apache-2.0
#include "abi_facts.h"

#include <iterator>
#include <string>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

#define ABI_FACT(expression) abi_fact{#expression, static_cast<unsigned long long>(expression)},
constexpr abi_fact kFactsOfCxx[] = {
#include "abi_facts.inc"
};

TEST_CASE("C and C++ agree on every number of the ABI", "[abi]") {
  REQUIRE(abi_fact_count_of_c == std::size(kFactsOfCxx));
  for (std::size_t i = 0; i < abi_fact_count_of_c; i++) {
    CAPTURE(kFactsOfCxx[i].expression);
    CHECK(std::string(abi_facts_of_c[i].expression) == kFactsOfCxx[i].expression);
    CHECK(abi_facts_of_c[i].value == kFactsOfCxx[i].value);
  }
}

} // namespace
} // namespace leakbpf
