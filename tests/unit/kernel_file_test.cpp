// SPDX-License-Identifier: Apache-2.0
#include "target/kernel_file.h"
#include "temporary_directory.h"

#include <string>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

TEST_CASE("a kernel file is read whole, however long it is", "[kernel_file]") {
  const TemporaryDirectory folder;
  const std::string text = std::string(20000, 'x') + "\nend\n";
  write_text(folder / "long", text);
  write_text(folder / "empty", "");
  CHECK(read_kernel_file(folder / "long") == text);
  CHECK(read_kernel_file(folder / "empty") == "");
  CHECK(read_kernel_file("/proc/self/status").value_or("").starts_with("Name:"));
}

TEST_CASE("what cannot be read is not an empty text", "[kernel_file]") {
  const TemporaryDirectory folder;
  CHECK_FALSE(read_kernel_file(folder / "missing"));
  CHECK_FALSE(read_kernel_file(folder.path())); // a directory
}

TEST_CASE("a number follows its whole key at the start of a line", "[kernel_file]") {
  constexpr std::string_view text = "total_inactive_file 1\n"
                                    "inactive_file_pages 2\n"
                                    "Name: inactive_file 3\n"
                                    "inactive_file 4\n"
                                    "inactive_file 5\n"
                                    "VmRSS:\t    1624 kB\n"
                                    "last 7";
  CHECK(number_after(text, "inactive_file") == 4);
  CHECK(number_after(text, "total_inactive_file") == 1);
  CHECK(number_after(text, "VmRSS:") == 1624);
  CHECK(number_after(text, "last") == 7);
  CHECK_FALSE(number_after(text, "file"));
  CHECK_FALSE(number_after(text, "VmRSS"));
  CHECK_FALSE(number_after("", "VmRSS:"));
  CHECK_FALSE(number_after("VmRSS:", "VmRSS:"));
}

TEST_CASE("only a number is a number", "[kernel_file]") {
  CHECK(leading_number("18446744073709551615\n") == 18446744073709551615U);
  CHECK(leading_number(" \t12 kB") == 12);
  CHECK_FALSE(leading_number("18446744073709551616"));
  CHECK_FALSE(leading_number("max\n"));
  CHECK_FALSE(leading_number("-1"));
  CHECK_FALSE(leading_number("\n12"));
  CHECK_FALSE(leading_number(""));
  CHECK_FALSE(number_after("Max address space   unlimited\n", "Max address space"));
}

} // namespace
} // namespace leakbpf
