// SPDX-License-Identifier: Apache-2.0
#include "core/units.h"

#include <optional>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

constexpr double kKilo = 1024;
constexpr double kMega = kKilo * 1024;

TEST_CASE("bytes keep three digits that matter", "[units]") {
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(1) == "1 B");
  CHECK(format_bytes(512) == "512 B");
  CHECK(format_bytes(999) == "999 B");
  CHECK(format_bytes(1000) == "1.0 KB");
  CHECK(format_bytes(1023) == "1.0 KB");
  CHECK(format_bytes(1024) == "1.0 KB");
  CHECK(format_bytes(4000) == "3.9 KB");
  CHECK(format_bytes(99.9 * kKilo) == "99.9 KB");
  CHECK(format_bytes(99.96 * kKilo) == "100 KB");
  CHECK(format_bytes(999.4 * kKilo) == "999 KB");
  CHECK(format_bytes(999.5 * kKilo) == "1.0 MB");
  CHECK(format_bytes(12.4 * kMega) == "12.4 MB");
  CHECK(format_bytes(3 * kKilo * kMega) == "3.0 GB");
  CHECK(format_bytes(5 * kMega * kMega) == "5.0 TB");
  CHECK(format_bytes(18446744073709551615.0) == "16384 PB");
}

TEST_CASE("a number is never wider than the column of a table", "[units]") {
  for (double bytes = 1; bytes < 1e17; bytes *= 1.013)
    CHECK(format_change(-bytes).size() <= 11);
}

TEST_CASE("less than nothing has a minus", "[units]") {
  CHECK(format_bytes(-1) == "-1 B");
  CHECK(format_bytes(-1536) == "-1.5 KB");
  CHECK(format_bytes(-0.2) == "0 B");
}

TEST_CASE("a change has a sign, or a dash when it is unknown", "[units]") {
  CHECK(format_change(12.4 * kMega) == "+12.4 MB");
  CHECK(format_change(-2 * kKilo) == "-2.0 KB");
  CHECK(format_change(0) == "0 B");
  CHECK(format_change(0.4) == "0 B");
  CHECK(format_change(-0.4) == "0 B");
  CHECK(format_change(std::nullopt) == "-");
}

TEST_CASE("counts have commas", "[units]") {
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(1000) == "1,000");
  CHECK(format_count(123456) == "123,456");
  CHECK(format_count(1234567) == "1,234,567");
  CHECK(format_count(~0ULL) == "18,446,744,073,709,551,615");
}

TEST_CASE("durations have the two units that matter", "[units]") {
  CHECK(format_duration(0) == "0s");
  CHECK(format_duration(9.9) == "9s");
  CHECK(format_duration(59.9) == "59s");
  CHECK(format_duration(60) == "1m00s");
  CHECK(format_duration(252) == "4m12s");
  CHECK(format_duration(3599) == "59m59s");
  CHECK(format_duration(3600) == "1h00m");
  CHECK(format_duration(3 * 3600 + 5 * 60) == "3h05m");
  CHECK(format_duration(86399) == "23h59m");
  CHECK(format_duration(86400) == "1d00h");
  CHECK(format_duration(2 * 86400 + 11 * 3600) == "2d11h");
}

} // namespace
} // namespace leakbpf
