// SPDX-License-Identifier: Apache-2.0
// Ages of the blocks of one site, in bounded memory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace leakbpf {

/// A histogram whose buckets grow by a fourth of a power of two: a median from it is right within
/// 12 percent. Ages are in milliseconds; those above 24 days share the last bucket.
class AgeHistogram {
public:
  /// `weight`: how many blocks the one stands for.
  void add(std::uint64_t age_ns, double weight = 1) {
    const std::uint64_t age_ms = age_ns / 1'000'000;
    buckets_.at(bucket(age_ms)) += static_cast<float>(weight);
    count_ += weight;
    if (age_ns > oldest_ns_)
      oldest_ns_ = age_ns;
  }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] double oldest_seconds() const { return static_cast<double>(oldest_ns_) / 1e9; }
  [[nodiscard]] double median_seconds() const;

private:
  static constexpr std::size_t bucket_count = 120;
  static std::size_t bucket(std::uint64_t age_ms);
  static double bucket_middle_ms(std::size_t index);

  std::array<float, bucket_count> buckets_{};
  double count_ = 0;
  std::uint64_t oldest_ns_ = 0;
};

/// Of the blocks of one site, as they were looked at last.
struct SiteAges {
  AgeHistogram histogram;
  double old_bytes = 0; ///< in blocks that were there at the mark for survival
  std::optional<double> old_survival_percent;
};

} // namespace leakbpf
