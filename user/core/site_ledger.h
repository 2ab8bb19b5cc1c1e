// SPDX-License-Identifier: Apache-2.0
// What each site took and gave back since the attach: what the kernel's table counts now, what it
// counted before it was told to forget it, and what only user space knows of.
#pragma once

#include "core/ages.h"
#include "core/site_sample.h"
#include "core/site_table.h"
#include "core/stack_store.h"
#include "core/trend.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace leakbpf {

/// What a ledger asks of who knows the targets.
class LedgerTargets {
public:
  virtual ~LedgerTargets() = default;

  /// The place of the site's stack; the kernel's hash stands in for it while that is not known.
  [[nodiscard]] virtual SiteKey by_place(const KernelKey& key) = 0;
  /// Null: it is not known yet, or settled.
  [[nodiscard]] virtual const WindowState* window_of(std::uint32_t target) const = 0;
  /// The window of any target is unfinished.
  [[nodiscard]] virtual bool any_unfinished() const = 0;
  /// It has ended, or is settled.
  [[nodiscard]] virtual bool has_ended(std::uint32_t target) const = 0;
  /// It has ended so short a time ago that a walk of its stacks may still be finished.
  [[nodiscard]] virtual bool may_be_named_yet(std::uint32_t target) const = 0;
  /// What was counted for a settled target.
  virtual void add_late(const SiteKey& site, const SiteTotals& totals) = 0;
  /// Visits what the mappings of all targets count, by what took them.
  virtual void
  each_range(const std::function<void(const KernelKey&, const SiteTotals&)>& visit) const = 0;
  /// The site that mappings count for; nothing where they are not to be counted.
  [[nodiscard]] virtual std::optional<SiteKey> site_of_range(const KernelKey& key) = 0;

protected:
  LedgerTargets() = default;
  LedgerTargets(const LedgerTargets&) = default;
  LedgerTargets& operator=(const LedgerTargets&) = default;
};

/// Its private methods are the steps of one reading.
class SiteLedger {
public:
  /// A key that nothing counts for any more has totals of 0.
  struct Site {
    SiteTotals totals;
    std::uint64_t withheld_bytes = 0; ///< that the last window's blocks may stand for, too
    std::unique_ptr<Trend> trend;     ///< where there was anything outstanding
    std::size_t trend_of = 0;         ///< what growth's kept_samples() was when it was made
    std::uint64_t trend_bytes = 0;    ///< that were outstanding then
    std::unique_ptr<SiteAges> ages;   ///< where blocks were found
    bool grew = false;                ///< something was outstanding at some time

    [[nodiscard]] bool is_known() const { return totals != SiteTotals{}; }
  };
  using Sites = std::unordered_map<SiteKey, Site, SiteKeyHash>;
  using Totals = std::unordered_map<SiteKey, SiteTotals, SiteKeyHash>;

  /// All three outlive the ledger.
  SiteLedger(SiteTable& table, StackStore& stacks, LedgerTargets& targets)
      : table_(table), stacks_(stacks), targets_(targets) {}

  /// Reads the table; moves what ended targets counted out of it, and what room is needed for.
  /// Sites of heaps whose window is open and stands for more than itself stay as they were.
  void read();

  [[nodiscard]] Sites& sites() { return sites_; }
  [[nodiscard]] const Sites& sites() const { return sites_; }
  [[nodiscard]] const Site* find(const SiteKey& key) const;
  /// Looked up by place once, when the stack is known.
  [[nodiscard]] Site& site_of(const KernelKey& key);
  /// Sites that the kernel side had at the last reading.
  [[nodiscard]] std::size_t in_kernel() const { return in_kernel_; }
  /// Of a target that has ended: its numbers are not the last ones yet, for the kernel side still
  /// has some, or an open window keeps its sites as they were.
  [[nodiscard]] bool is_awaited(std::uint32_t target) const { return awaited_.contains(target); }

  /// A block that the kernel side did not see freed. Weighted, as it counts: a block's weight is a
  /// fraction, and a site is only at zero when all fractions are taken off that were put on.
  void give_back(const KernelKey& key, std::uint64_t weighted_bytes, std::uint64_t weight);
  /// What to add to the target's sites for the small objects that they hold, or that others hold in
  /// their pools.
  void set_held(std::uint32_t target, const Totals& held);
  /// These targets are settled; `stacks`: the kernel's hashes of what their mappings were taken by.
  void drop(const std::set<std::uint32_t>& targets, std::span<const std::uint64_t> stacks);

private:
  using Samples = std::vector<SiteSample>;
  /// In units of 1/LEAKBPF_WEIGHT_ONE.
  struct GivenBack {
    std::uint64_t bytes = 0;
    std::uint64_t count = 0;
    bool is_added = false; ///< to the site that the kernel has, at the last reading
  };
  /// What the kernel told of a site, and where that is counted; null: it has to be looked up.
  struct ReadSite {
    KernelKey key;
    Site* site = nullptr;
    std::uint64_t allocated_count = 0; ///< as the kernel has it
  };

  [[nodiscard]] bool is_unfinished(std::uint32_t target, leakbpf_kind kind) const;
  void clear();
  [[nodiscard]] std::vector<std::size_t> add_all(const Samples& samples);
  void add(const SiteSample& sample, Site& site);
  void add_what_the_kernel_lacks();
  void retire_ended(const Samples& samples);
  [[nodiscard]] bool stays_in_kernel(const SiteSample& sample);
  void await_windows();
  void retire(const SiteSample& sample);
  void make_room(const Samples& samples, const std::vector<std::size_t>& idle);
  void leave_stack(std::uint64_t hash, bool was_left);
  [[nodiscard]] HashList active_stacks(const Samples& samples,
                                       const std::vector<bool>& may_go) const;
  [[nodiscard]] HashList resting_stacks(const Samples& samples,
                                        const std::vector<bool>& may_go) const;
  [[nodiscard]] std::uint64_t outstanding_in_kernel(const SiteSample& sample) const;
  [[nodiscard]] bool forget_site(const SiteSample& sample);
  void forget_stack(std::uint64_t hash);
  void drop_forgotten(const Samples& samples);
  void add_stacks_of_ranges(HashList& stacks) const;
  void keep_retired(const SiteKey& place, const SiteTotals& totals);
  static void take_off(SiteSample& sample, const GivenBack& back);
  [[nodiscard]] SiteSample with_given_back(SiteSample sample) const;
  [[nodiscard]] SiteSample take_given_back(const SiteSample& sample);

  SiteTable& table_;
  StackStore& stacks_;
  LedgerTargets& targets_;
  Sites sites_; ///< of all kinds, as read last. They stay where they are until their target's end
  std::unordered_map<KernelKey, Site*, KernelKeyHash> site_of_;
  std::vector<ReadSite> last_read_; ///< in the kernel's order
  Totals retired_;                  ///< what sites counted that the kernel side was told to forget
  /// Python's pools that were found empty, and blocks and pages that were found to be gone.
  std::unordered_map<KernelKey, GivenBack, KernelKeyHash> given_back_;
  Totals held_;
  std::unordered_set<std::uint32_t> awaited_; ///< targets
  /// Targets of which the kernel side forgot something in the window that is open.
  std::unordered_set<std::uint32_t> forgotten_in_window_;
  bool any_unfinished_ = false;             ///< as it was at the last reading
  std::vector<std::uint64_t> ended_stacks_; ///< of ranges of settled targets
  std::size_t in_kernel_ = 0;
  std::size_t kept_ = 0; ///< sites that were left in the kernel with stacks when room was made
  /// That the kernel side was told to forget while their sites stay there.
  std::unordered_set<std::uint64_t> left_stacks_;
};

} // namespace leakbpf
