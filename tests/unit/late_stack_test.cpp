// SPDX-License-Identifier: Apache-2.0
// Reads this process's own memory, of which pages were taken out of its page tables.
#include "base/unique_fd.h"
#include "unwind/late_stack.h"

#include <array>
#include <cstring>
#include <ctime>

#include <catch2/catch_test_macros.hpp>
#include <sys/mman.h>
#include <unistd.h>

namespace leakbpf {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t pages = 4;

/// Memory whose pages can go and come back, each word its own address, and none behind it.
class Memory {
public:
  Memory() : file_(memfd_create("late", MFD_CLOEXEC)) {
    REQUIRE(ftruncate(file_.get(), pages * page) == 0);
    void* const room =
        mmap(nullptr, (pages + 1) * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    start_ = static_cast<char*>(
        mmap(room, pages * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file_.get(), 0));
    REQUIRE(start_ == room);
    for (std::size_t at = 0; at < pages * page; at += 8)
      put(at, address(at));
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { munmap(start_, (pages + 1) * page); }

  void put(std::size_t at, std::uint64_t word) { std::memcpy(start_ + at, &word, sizeof(word)); }
  [[nodiscard]] std::uint64_t address(std::size_t at) const {
    return reinterpret_cast<std::uintptr_t>(start_) + at;
  }
  void take_out(std::size_t first_page) {
    REQUIRE(madvise(start_ + first_page * page, (pages - first_page) * page, MADV_DONTNEED) == 0);
  }
  [[nodiscard]] std::vector<std::uint8_t> copy(std::size_t from, std::size_t to) const {
    return {start_ + from, start_ + to};
  }

private:
  UniqueFd file_;
  char* start_ = nullptr;
};

std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

leakbpf_unwind_request request_at(std::uint64_t sp) {
  leakbpf_unwind_request request{};
  request.tgid = static_cast<std::uint32_t>(getpid());
  request.frame.sp = sp;
  request.time_ns = now_ns();
  return request;
}

std::uint64_t word(const std::vector<std::uint8_t>& memory, std::size_t at) {
  std::uint64_t value = 0;
  std::memcpy(&value, memory.data() + at, sizeof(value));
  return value;
}

TEST_CASE("a stack is read on where a page was not there", "[unwind]") {
  const ProcFs proc;
  LateStacks late(proc);
  Memory memory;
  constexpr std::size_t sp = page - 256;
  auto copy = memory.copy(sp, page);
  memory.take_out(1);
  const auto request = request_at(memory.address(sp));
  CHECK(late.extend(request, copy) == LateRead::found);
  CHECK(copy.size() == pages * page - sp);
  for (std::size_t at = 0; at < copy.size(); at += 8)
    CHECK(word(copy, at) == memory.address(sp + at));
}

TEST_CASE("a frame in a page that was not there is read from its middle", "[unwind]") {
  const ProcFs proc;
  LateStacks late(proc);
  Memory memory;
  memory.take_out(1);
  std::vector<std::uint8_t> copy;
  CHECK(late.extend(request_at(memory.address(page + 512)), copy) == LateRead::found);
  CHECK(copy.size() == (pages - 1) * page - 512);
  CHECK(word(copy, 0) == memory.address(page + 512));
}

TEST_CASE("a stack that was touched since is read on only if it is the same", "[unwind]") {
  const ProcFs proc;
  LateStacks late(proc);
  Memory memory;
  constexpr std::size_t sp = page - 256;
  const auto before = memory.copy(sp, page);
  auto copy = before;
  CHECK(late.extend(request_at(memory.address(sp)), copy) == LateRead::found);
  memory.put(page - 8, 1); // the thread has come back there
  copy = before;
  CHECK(late.extend(request_at(memory.address(sp)), copy) == LateRead::changed);
  CHECK(copy == before);
}

TEST_CASE("what was read of a page that was not there holds for all that were seen before",
          "[unwind]") {
  const ProcFs proc;
  LateStacks late(proc);
  Memory memory;
  constexpr std::size_t sp = page - 256;
  memory.take_out(1);
  const auto first = request_at(memory.address(sp));
  const auto second = request_at(memory.address(sp));
  auto copy = memory.copy(sp, page);
  CHECK(late.extend(first, copy) == LateRead::found);
  memory.put(page - 8, 1);
  memory.put(page, 2);
  auto other = memory.copy(sp, page);
  CHECK(late.extend(second, other) == LateRead::found);
  CHECK(word(other, 256) == memory.address(page));
  auto later = memory.copy(sp, page);
  CHECK(late.extend(request_at(memory.address(sp)), later) == LateRead::found);
  CHECK(word(later, 256) == 2);
}

TEST_CASE("behind the end of a stack there is nothing to read", "[unwind]") {
  const ProcFs proc;
  LateStacks late(proc);
  Memory memory;
  constexpr std::size_t sp = pages * page - 64;
  auto copy = memory.copy(sp, pages * page);
  CHECK(late.extend(request_at(memory.address(sp)), copy) == LateRead::nothing);
  CHECK(copy.size() == 64);
}

} // namespace
} // namespace leakbpf
