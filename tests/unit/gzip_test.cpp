// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.h"

#include <random>
#include <string>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

constexpr std::size_t plenty = std::size_t{64} << 20;

std::string noise(std::size_t size) {
  std::mt19937 random(7); // NOLINT: the same in every run
  std::string data(size, '\0');
  for (char& c : data)
    c = static_cast<char>(random());
  return data;
}

/// "hello\n" as GNU gzip packs it with -n.
const std::string kHello("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\x00"
                         "\x20\x30\x3a\x36\x06\x00\x00\x00",
                         26);

TEST_CASE("what was packed unpacks to the same", "[gzip]") {
  for (const int level : {-3, 0, 1, 6, 9, 99})
    for (const std::string& data :
         {std::string(), std::string("a"), std::string(300000, 'x'), noise(200000)}) {
      CAPTURE(level, data.size());
      const std::string packed = gzip(data, level);
      CHECK(is_gzip(packed));
      const auto unpacked = gunzip(packed, plenty);
      REQUIRE(unpacked);
      CHECK(*unpacked == data);
    }
}

TEST_CASE("packing makes data smaller, and the same data the same", "[gzip]") {
  const std::string data(300000, 'x');
  CHECK(gzip(data).size() < 1000);
  CHECK(gzip(data) == gzip(data));
  CHECK(gzip(data, 0).size() > data.size());
}

TEST_CASE("what another gzip has packed is unpacked", "[gzip]") {
  const auto unpacked = gunzip(kHello, 100);
  REQUIRE(unpacked);
  CHECK(*unpacked == "hello\n");
}

TEST_CASE("members that follow each other are one text", "[gzip]") {
  const std::string data = noise(100000);
  const auto unpacked = gunzip(kHello + gzip(data) + gzip("") + kHello, plenty);
  REQUIRE(unpacked);
  CHECK(*unpacked == "hello\n" + data + "hello\n");
}

TEST_CASE("no more is unpacked than may be", "[gzip]") {
  const std::string bomb = gzip(std::string(std::size_t{16} << 20, '\0'));
  CHECK(bomb.size() < 20000);
  CHECK(gunzip(bomb, std::size_t{16} << 20));
  for (const std::size_t most :
       {std::size_t{0}, std::size_t{1}, std::size_t{65536}, (std::size_t{16} << 20) - 1}) {
    CAPTURE(most);
    const auto unpacked = gunzip(bomb, most);
    REQUIRE_FALSE(unpacked);
    CHECK(unpacked.error().code == ExitCode::io);
    CHECK(unpacked.error().message.find(std::to_string(most) + " bytes") != std::string::npos);
  }
  CHECK_FALSE(gunzip(kHello + kHello, 11));
  CHECK(gunzip(kHello + kHello, 12));
  CHECK(gunzip(gzip(""), 0));
}

TEST_CASE("data that is cut off anywhere is an error", "[gzip]") {
  const std::string packed = gzip(noise(1000) + std::string(1000, 'x'));
  for (std::size_t size = 0; size < packed.size(); size++) {
    CAPTURE(size);
    const auto unpacked = gunzip(std::string_view(packed).substr(0, size), plenty);
    REQUIRE_FALSE(unpacked);
    CHECK(unpacked.error().code == ExitCode::io);
  }
}

TEST_CASE("damaged data is an error", "[gzip]") {
  const std::string packed = gzip("some text that is long enough to be packed, text, text, text");
  // Bytes 4 to 9 are the time, the level and the system, which nothing depends on.
  for (std::size_t i = 10; i < packed.size(); i++) {
    CAPTURE(i);
    std::string damaged = packed;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    CHECK_FALSE(gunzip(damaged, plenty));
  }
  CHECK_FALSE(gunzip("plain text", plenty));
  CHECK_FALSE(gunzip(packed + "plain text", plenty));
}

TEST_CASE("gzip data is known by its first bytes", "[gzip]") {
  CHECK(is_gzip(kHello));
  CHECK(is_gzip("\x1f\x8b"));
  CHECK_FALSE(is_gzip("\x1f"));
  CHECK_FALSE(is_gzip(""));
  CHECK_FALSE(is_gzip("{\"schema\""));
}

} // namespace
} // namespace leakbpf
