// SPDX-License-Identifier: Apache-2.0
// Who knows which containers of the targets grow.
#pragma once

#include "core/report.h"

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace leakbpf {

/// By target: its place in Report::targets.
using TargetIndex = std::unordered_map<std::uint32_t, std::size_t>;

class HolderSource {
public:
  virtual ~HolderSource() = default;

  /// What is known now, for one report. What rules hide is counted.
  virtual void find(Suppressed& suppressed) = 0;
  /// Tells the judge what containers say of their targets.
  virtual void weigh() = 0;
  /// Of targets whose growth is containers' growth, where pools were begun comes last.
  virtual void put_behind(const Report& report, std::vector<SiteReport>& sites,
                          const TargetIndex& index) const = 0;
  /// Adds their rows.
  virtual void add(Report& report, const TargetIndex& index) = 0;

protected:
  HolderSource() = default;
  HolderSource(const HolderSource&) = default;
  HolderSource& operator=(const HolderSource&) = default;
};

} // namespace leakbpf
