// SPDX-License-Identifier: Apache-2.0
// Tells equal unwind tables from different ones, also where somebody made a file for the purpose of
// being taken for another: build-ids can be copied, and the sums that files carry can be forged.
#pragma once

#include "unwind/unwind_table.h"

#include <array>
#include <cstdint>

namespace leakbpf {

using TableFingerprint = std::array<std::uint64_t, 2>;

/// Two polynomials over the table's contents modulo 2^61 - 1, at points that are chosen at random
/// and told nobody (J. L. Carter and M. N. Wegman, "Universal Classes of Hash Functions", 1979):
/// two different tables of a million rows have the same fingerprint with a chance below 2^-80,
/// whoever made them.
class TableFingerprints {
public:
  /// Points of its own, from the kernel's random numbers.
  TableFingerprints();
  explicit TableFingerprints(std::array<std::uint64_t, 2> points) : points_(points) {}

  [[nodiscard]] TableFingerprint of(const UnwindTable& table) const;

private:
  std::array<std::uint64_t, 2> points_;
};

} // namespace leakbpf
