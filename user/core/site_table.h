// SPDX-License-Identifier: Apache-2.0
// The table in which the kernel side counts what each site took and gave back.
#pragma once

#include "core/site_sample.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace leakbpf {

class SiteTable {
public:
  virtual ~SiteTable() = default;

  /// All sites, in an order that changes little.
  [[nodiscard]] virtual std::vector<SiteSample> read_sites() const = 0;
  /// Frees the room of a site, and returns what it counted. Its stack stays.
  [[nodiscard]] virtual std::optional<SiteSample> take_totals(const leakbpf_site_key& key) = 0;
  virtual void forget_stack(std::uint64_t hash) = 0;
  /// Room for so many stacks.
  [[nodiscard]] virtual std::uint32_t max_stacks() const = 0;

protected:
  SiteTable() = default;
  SiteTable(const SiteTable&) = default;
  SiteTable& operator=(const SiteTable&) = default;
  SiteTable(SiteTable&&) = default;
  SiteTable& operator=(SiteTable&&) = default;
};

} // namespace leakbpf
