// SPDX-License-Identifier: Apache-2.0
#include "unwind/signal_return.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace leakbpf {

namespace {

constexpr std::uint8_t code[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};

/// Reads the file in pieces as the search goes on: most code is covered, and never read.
class SignalReturnSearch {
public:
  SignalReturnSearch(const ElfFile& file, std::uint32_t row) : file_(file), row_(row) {}

  /// In the bytes [begin, end) of the file.
  void in(std::uint64_t begin, std::uint64_t end) {
    free_from_ = begin;
    while (begin + sizeof code <= end) {
      const auto piece = piece_at(begin, end - begin);
      if (piece.size() < sizeof code)
        return;
      search(piece, begin);
      // What the piece's end cuts off may be found from there on.
      begin = std::max(free_from_, begin + piece.size() - (sizeof code - 1));
    }
  }

  std::vector<CodeRange> take() { return std::move(ranges_); }

private:
  /// Up to `most` bytes from `offset` on.
  std::span<const std::uint8_t> piece_at(std::uint64_t offset, std::uint64_t most) {
    constexpr std::uint64_t window_bytes = std::uint64_t{1} << 20;
    const bool inside =
        offset >= start_ &&
        offset - start_ + std::min<std::uint64_t>(most, sizeof code) <= window_.size();
    if (!inside) {
      window_ = file_.read(offset, window_bytes);
      start_ = offset;
    }
    const auto rest = std::span<const std::uint8_t>(window_).subspan(offset - start_);
    return rest.first(std::min<std::uint64_t>(rest.size(), most));
  }

  /// `piece` lies at `offset`.
  void search(std::span<const std::uint8_t> piece, std::uint64_t offset) {
    for (std::size_t at = 0; at < piece.size();) {
      const void* match = ::memmem(piece.data() + at, piece.size() - at, code, sizeof code);
      if (match == nullptr)
        return;
      const auto place =
          static_cast<std::size_t>(static_cast<const std::uint8_t*>(match) - piece.data());
      const std::uint64_t found = offset + place;
      CodeRange range{static_cast<std::uint32_t>(found),
                      static_cast<std::uint32_t>(found + sizeof code), row_, 1};
      if (found > free_from_)
        --range.begin;
      at = place + sizeof code;
      free_from_ = range.end;
      ranges_.push_back(range);
    }
  }

  const ElfFile& file_;
  std::uint64_t free_from_ = 0;      ///< begin of what is searched, or end of the last match
  std::uint64_t start_ = 0;          ///< in the file, of
  std::vector<std::uint8_t> window_; ///< the bytes that were read last
  std::uint32_t row_;
  std::vector<CodeRange> ranges_;
};

} // namespace

std::vector<CodeRange> find_signal_returns(const ElfFile& file,
                                           std::span<const CodeSegment> segments,
                                           std::span<const CodeRange> covered, std::uint32_t row) {
  std::vector<CodeSegment> by_offset(segments.begin(), segments.end());
  std::sort(by_offset.begin(), by_offset.end(),
            [](const CodeSegment& a, const CodeSegment& b) { return a.offset < b.offset; });
  SignalReturnSearch search(file, row);
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
