// SPDX-License-Identifier: Apache-2.0
#include "core/stack_end.h"
#include "sample_report.h"

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

Frames stack_of(const std::vector<std::string>& functions) {
  Frames frames;
  for (const std::string& function : functions)
    frames.emplace_back(native_frame(function, "", 0));
  return frames;
}

TEST_CASE("a stack that ends at a frame of zero is whole where a thread begins", "[stack_end]") {
  CHECK(reaches_first_function(stack_of({"leak", "main", "libc_start_main_stage2"})));
  CHECK(reaches_first_function(stack_of({"leak", "start_thread", "clone3"})));
  CHECK(reaches_first_function(stack_of({"_cgo_leak", "runtime.asmcgocall", "runtime.mcall"})));
  CHECK(reaches_first_function(stack_of({"leak", ""}))); // it may be
  CHECK(reaches_first_function({}));
  CHECK_FALSE(reaches_first_function(stack_of({"on_item", "vendor_walk"})));
  CHECK_FALSE(reaches_first_function(stack_of({"", "restart"})));
}

TEST_CASE("every way in which a stack ends early has words", "[stack_end]") {
  for (int end = LEAKBPF_STACK_TRUNCATED; end < LEAKBPF_STACK_END_COUNT; end++)
    CHECK(std::string(stack_end_text(static_cast<leakbpf_stack_end>(end))).size() > 10);
}

} // namespace
} // namespace leakbpf
