// SPDX-License-Identifier: Apache-2.0
#include "unwind/table_fingerprint.h"

#include <cstring>
#include <random>

namespace leakbpf {

namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t prime = (std::uint64_t{1} << 61) - 1;

std::uint64_t reduced(Wide value) {
  const std::uint64_t folded =
      (static_cast<std::uint64_t>(value) & prime) + static_cast<std::uint64_t>(value >> 61);
  return folded >= prime ? folded - prime : folded;
}

/// The value at `point` of the polynomial whose coefficients are added, the highest first.
class Polynomial {
public:
  explicit Polynomial(std::uint64_t point) : point_(point) {}
  /// `coefficient` is below the prime.
  void add(std::uint64_t coefficient) { value_ = reduced(Wide{value_} * point_ + coefficient); }
  [[nodiscard]] std::uint64_t value() const { return value_; }

private:
  std::uint64_t point_;
  std::uint64_t value_ = 1; // leading zeros count
};

std::uint64_t evaluate(const UnwindTable& table, std::uint64_t point) {
  Polynomial polynomial(point);
  polynomial.add(table.rules.size());
  for (const leakbpf_unwind_rule& rule : table.rules) {
    std::array<std::uint32_t, sizeof(rule) / sizeof(std::uint32_t)> words;
    std::memcpy(words.data(), &rule, sizeof rule);
    for (const std::uint32_t word : words)
      polynomial.add(word);
  }
  polynomial.add(table.rows.size());
  for (const UnwindRow& row : table.rows)
    polynomial.add(std::uint64_t{row.offset} << 16 | row.rule);
  return polynomial.value();
}

std::uint64_t random_point() {
  std::random_device device;
  return std::uniform_int_distribution<std::uint64_t>(2, prime - 1)(device);
}

} // namespace

TableFingerprints::TableFingerprints() : points_{random_point(), random_point()} {}

TableFingerprint TableFingerprints::of(const UnwindTable& table) const {
  return {evaluate(table, points_[0]), evaluate(table, points_[1])};
}

} // namespace leakbpf
