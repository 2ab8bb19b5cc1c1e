// SPDX-License-Identifier: Apache-2.0
// A site: one call stack of one target that takes memory of one kind.
#pragma once

#include <leakbpf/abi.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace leakbpf {

struct SiteKey {
  std::uint32_t target = 0;
  leakbpf_kind kind = LEAKBPF_KIND_HEAP;
  std::uint64_t stack_hash = 0;

  friend auto operator<=>(const SiteKey&,
                          const SiteKey&) = default; // NOLINT(modernize-use-nullptr)
};

struct SiteKeyHash {
  std::size_t operator()(const SiteKey& key) const noexcept {
    return key.stack_hash ^ (static_cast<std::uint64_t>(key.target) << 8) ^
           static_cast<std::uint64_t>(key.kind);
  }
};

/// Totals since attach. Bytes and counts.
struct SiteTotals {
  std::uint64_t allocated_bytes = 0;
  std::uint64_t allocated_count = 0;
  std::uint64_t freed_bytes = 0;
  std::uint64_t freed_count = 0;

  // A reader may see a free before the allocation it belongs to: never below zero.
  [[nodiscard]] std::uint64_t outstanding_bytes() const {
    return allocated_bytes > freed_bytes ? allocated_bytes - freed_bytes : 0;
  }
  [[nodiscard]] std::uint64_t outstanding_count() const {
    return allocated_count > freed_count ? allocated_count - freed_count : 0;
  }
  /// On the average what is outstanding is in blocks that glibc maps one by one.
  [[nodiscard]] bool is_of_mapped_blocks() const {
    constexpr std::uint64_t least_mapped = 128 << 10; // bytes; as it begins
    return outstanding_bytes() >= least_mapped * outstanding_count();
  }
  SiteTotals& operator+=(const SiteTotals& other) {
    allocated_bytes += other.allocated_bytes;
    allocated_count += other.allocated_count;
    freed_bytes += other.freed_bytes;
    freed_count += other.freed_count;
    return *this;
  }
  friend bool operator==(const SiteTotals&, const SiteTotals&) = default;
};

[[nodiscard]] constexpr std::string_view kind_name(leakbpf_kind kind) {
  switch (kind) {
  case LEAKBPF_KIND_MMAP:
    return "mmap";
  case LEAKBPF_KIND_BRK:
    return "brk";
  case LEAKBPF_KIND_PYTHON:
    return "python";
  case LEAKBPF_KIND_PAGES:
    return "pages";
  default:
    return "heap";
  }
}

} // namespace leakbpf
