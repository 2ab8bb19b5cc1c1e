// SPDX-License-Identifier: Apache-2.0
#include "cli/option_values.h"

#include <limits>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

TEST_CASE("decimals are read to their limits", "[option_values]") {
  CHECK(*decimal_value("-x", "seconds", 0.05, 86400, "0.05") == 0.05);
  CHECK(*decimal_value("-x", "seconds", 0.05, 86400, "86400") == 86400);
  CHECK(*decimal_value("-x", "seconds", 0.05, 86400, "1e3") == 1000);
  CHECK(*decimal_value("-x", "seconds", 0, 1, ".5") == 0.5);
  CHECK_FALSE(decimal_value("-x", "seconds", 0.05, 86400, "0.0499999"));
  CHECK_FALSE(decimal_value("-x", "seconds", 0.05, 86400, "86400.0001"));
  CHECK(decimal_value("-x", "seconds", 0.05, 86400, "nan").error().message ==
        "-x takes seconds from 0.05 to 86400, not nan");
}

TEST_CASE("whole numbers are read to their limits", "[option_values]") {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  CHECK(*whole_value("-x", 0, most, "0") == 0);
  CHECK(*whole_value("-x", 0, most, "18446744073709551615") == most);
  CHECK_FALSE(whole_value("-x", 0, most, "18446744073709551616"));
  CHECK_FALSE(whole_value("-x", 0, most, "1.0"));
  CHECK_FALSE(whole_value("-x", 0, most, "-0"));
}

TEST_CASE("sizes are read with their units", "[option_values]") {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  CHECK(*size_value("-x", 0, most, "512") == 512);
  CHECK(*size_value("-x", 0, most, "512B") == 512);
  for (const std::string unit : {"K", "k", "KB", "kb", "KiB", "kib"})
    CHECK(*size_value("-x", 0, most, "16" + unit) == 16384);
  CHECK(*size_value("-x", 0, most, "1T") == std::uint64_t{1} << 40);
  CHECK(*size_value("-x", 0, most, "16383P") == std::uint64_t{16383} << 50);
  CHECK_FALSE(size_value("-x", 0, most, "16384P"));
  CHECK_FALSE(size_value("-x", 0, 1 << 20, "1025K"));
}

TEST_CASE("sizes are written in the largest unit that holds them", "[option_values]") {
  CHECK(written_size(0) == "0");
  CHECK(written_size(1023) == "1023");
  CHECK(written_size(16384) == "16K");
  CHECK(written_size(std::uint64_t{1} << 40) == "1T");
  CHECK(written_size((std::uint64_t{1} << 40) + 1) == "1099511627777");
}

TEST_CASE("PIDs are separated by commas and blanks", "[option_values]") {
  CHECK(*pid_values("-p", "17, 18\n19\t20") == std::vector<pid_t>{17, 18, 19, 20});
  CHECK(pid_values("-p", "")->empty());
  CHECK(*pid_values("-p", "4194304") == std::vector<pid_t>{4194304});
  for (const std::string bad : {"4194305", "0", "-1", "1x", "0x1", "1.0"})
    CHECK_FALSE(pid_values("-p", bad));
}

} // namespace
} // namespace leakbpf
