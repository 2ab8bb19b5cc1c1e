// SPDX-License-Identifier: Apache-2.0
// What a SiteLedger of a test's own reads and asks.
#pragma once

#include "core/site_ledger.h"

#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace leakbpf {

/// The kernel's table, as a map.
class MadeSiteTable : public SiteTable {
public:
  [[nodiscard]] std::vector<SiteSample> read_sites() const override {
    std::vector<SiteSample> samples;
    for (const auto& [key, totals] : sites)
      samples.push_back(
          {{.stack_hash = key.stack, .target = key.target, .kind = key.kind}, totals});
    return samples;
  }
  [[nodiscard]] std::optional<SiteSample> take_totals(const leakbpf_site_key& key) override {
    const auto taken = sites.extract(key_of({key, {}}));
    return taken ? std::optional(SiteSample{key, taken.mapped()}) : std::nullopt;
  }
  void forget_stack(std::uint64_t /*hash*/) override {}
  [[nodiscard]] std::uint32_t max_stacks() const override { return 100'000; }

  std::map<KernelKey, leakbpf_site_totals> sites;
};

/// Living targets that map nothing and share one window.
class MadeLedgerTargets : public LedgerTargets {
public:
  using StackOf = LocatedStack (*)(std::uint64_t hash);

  MadeLedgerTargets(StackStore& stacks, StackOf stack_of) : stacks_(stacks), stack_of_(stack_of) {}
  [[nodiscard]] SiteKey by_place(const KernelKey& key) override {
    if (!stacks_.knows(key.stack))
      stacks_.add(key.stack, stack_of_(key.stack));
    return {key.target, key.kind, *stacks_.place_of(key.stack)};
  }
  [[nodiscard]] const WindowState* window_of(std::uint32_t /*target*/) const override {
    return &window;
  }
  [[nodiscard]] bool any_unfinished() const override { return window.unfinished; }
  [[nodiscard]] bool has_ended(std::uint32_t /*target*/) const override { return false; }
  [[nodiscard]] bool may_be_named_yet(std::uint32_t /*target*/) const override { return false; }
  void add_late(const SiteKey& /*site*/, const SiteTotals& /*totals*/) override {}
  void each_range(
      const std::function<void(const KernelKey&, const SiteTotals&)>& /*visit*/) const override {}
  [[nodiscard]] std::optional<SiteKey> site_of_range(const KernelKey& /*key*/) override {
    return std::nullopt;
  }

  WindowState window;

private:
  StackStore& stacks_;
  StackOf stack_of_;
};

} // namespace leakbpf
