// SPDX-License-Identifier: Apache-2.0
#include "unwind/signal_return.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace leakbpf {

namespace {

constexpr std::uint8_t code[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};

class Search {
public:
  Search(std::span<const std::uint8_t> file, std::uint32_t row) : file_(file), row_(row) {}

  void in(std::uint64_t begin, std::uint64_t end) {
    std::uint64_t at = begin;
    while (at < end) {
      const void* match = ::memmem(file_.data() + at, end - at, code, sizeof code);
      if (match == nullptr)
        return;
      const auto found =
          static_cast<std::uint64_t>(static_cast<const std::uint8_t*>(match) - file_.data());
      CodeRange range{static_cast<std::uint32_t>(found),
                      static_cast<std::uint32_t>(found + sizeof code), row_, 1};
      if (found > at)
        --range.begin;
      at = range.end;
      ranges_.push_back(range);
    }
  }

  std::vector<CodeRange> take() { return std::move(ranges_); }

private:
  std::span<const std::uint8_t> file_;
  std::uint32_t row_;
  std::vector<CodeRange> ranges_;
};

} // namespace

std::vector<CodeRange> find_signal_returns(std::span<const std::uint8_t> file,
                                           std::span<const CodeSegment> segments,
                                           std::span<const CodeRange> covered, std::uint32_t row) {
  std::vector<CodeSegment> by_offset(segments.begin(), segments.end());
  std::sort(by_offset.begin(), by_offset.end(),
            [](const CodeSegment& a, const CodeSegment& b) { return a.offset < b.offset; });
  Search search(file, row);
  auto next = covered.begin();
  std::uint64_t at = 0; // bytes that several segments share are searched once
  for (const CodeSegment& segment : by_offset) {
    const std::uint64_t end = std::min(segment.offset + segment.size, unwind_offset_limit);
    at = std::max(at, segment.offset);
    while (at < end) {
      while (next != covered.end() && next->end <= at)
        ++next;
      const std::uint64_t free_until =
          next == covered.end() ? end : std::min<std::uint64_t>(next->begin, end);
      if (at < free_until)
        search.in(at, free_until);
      at = free_until == end ? end : next->end;
    }
  }
  return search.take();
}

} // namespace leakbpf
