// SPDX-License-Identifier: Apache-2.0
#include "fake_proc.h"
#include "target/page_presence.h"

#include <cstring>
#include <map>

#include <catch2/catch_test_macros.hpp>
#include <sys/mman.h>
#include <unistd.h>

namespace leakbpf {
namespace {

constexpr std::uint64_t present = 1ULL << 63;
constexpr std::uint64_t swapped = 1ULL << 62;
constexpr std::uint64_t of_file = 1ULL << 61;
constexpr std::uint64_t exclusive = 1ULL << 56;
constexpr std::uint64_t soft_dirty = 1ULL << 55;

/// A pagemap of `pages` pages, all zero but for `entries`, by page number.
std::string pagemap(std::size_t pages, const std::map<std::size_t, std::uint64_t>& entries) {
  std::string text(pages * sizeof(std::uint64_t), '\0');
  for (const auto& [page, entry] : entries)
    std::memcpy(&text.at(page * sizeof(entry)), &entry, sizeof(entry));
  return text;
}

TEST_CASE("whose a page is", "[pages]") {
  CHECK(is_own_page(present | exclusive | soft_dirty));
  CHECK(is_own_page(present)); // shared since a fork
  CHECK(is_own_page(present | 0x12345));
  CHECK(is_own_page(swapped | 3));
  CHECK_FALSE(is_own_page(present | of_file));
  CHECK_FALSE(is_own_page(swapped | of_file));
  CHECK_FALSE(is_own_page(soft_dirty)); // was never touched, or given back
  CHECK_FALSE(is_own_page(0));
}

TEST_CASE("pages by a process's pagemap", "[pages]") {
  FakeProc proc;
  proc.write(42, "pagemap",
             pagemap(512, {{16, present}, {17, swapped}, {18, present | of_file}, {511, present}}));
  const std::string path = proc.fs().path(42, "pagemap");
  SECTION("in the order asked for") {
    const std::vector<std::uint64_t> asked{0x1ff000, 0x10000, 0x11000, 0x12000, 0x13000, 0x10fff};
    CHECK(own_pages(path, asked) == std::vector<bool>{true, true, true, false, false, true});
  }
  SECTION("none") {
    CHECK(own_pages(path, {}) == std::vector<bool>{});
  }
  SECTION("a process that has ended has a pagemap with nothing in it") {
    proc.write(42, "pagemap", "");
    CHECK(own_pages(path, std::vector<std::uint64_t>{0x10000}) == std::nullopt);
  }
  SECTION("an entry that is cut off") {
    proc.write(42, "pagemap", std::string(16 * 8 + 7, '\xff'));
    CHECK(own_pages(path, std::vector<std::uint64_t>{0x10000}) == std::nullopt);
  }
  SECTION("no such process") {
    CHECK(own_pages(proc.fs().path(43, "pagemap"), std::vector<std::uint64_t>{0x10000}) ==
          std::nullopt);
  }
}

TEST_CASE("pages of this process", "[pages]") {
  const std::size_t bytes = 4 * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  std::memset(memory, 1, bytes / 2);
  const auto first = reinterpret_cast<std::uintptr_t>(memory);
  const std::vector<std::uint64_t> asked{first, first + 4096, first + 8192, first + 12288};
  CHECK(own_pages("/proc/self/pagemap", asked) == std::vector<bool>{true, true, false, false});
  madvise(memory, bytes, MADV_DONTNEED);
  CHECK(own_pages("/proc/self/pagemap", asked) == std::vector<bool>(4));
  munmap(memory, bytes);
}

} // namespace
} // namespace leakbpf
