// SPDX-License-Identifier: Apache-2.0
#include "session/reach_survey.h"

#include "base/clocks.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

namespace leakbpf {

namespace {

constexpr std::size_t most_sites = 5;
constexpr std::size_t most_looked_at = 20;         ///< of the largest, to find these
constexpr std::size_t most_blocks = 32;            ///< of each
constexpr std::uint64_t old_ns = 10'000'000'000;   ///< of a block that is no more on its way
constexpr std::uint64_t most_resident = 256 << 20; ///< bytes, that are looked through unasked

} // namespace

/// The stacks of one process that hold most, and grow. Python's objects are found by their
/// containers instead.
std::vector<SiteKey> ReachSurvey::sites_to_reach(std::uint32_t& of) const {
  std::map<std::uint32_t, std::vector<std::pair<std::uint64_t, SiteKey>>> large;
  for (const auto& [key, site] : of_.ledger.sites())
    if (key.kind == LEAKBPF_KIND_HEAP && site.totals.outstanding_bytes() > 0 &&
        may_be_reached(key.target))
      large[key.target].emplace_back(site.totals.outstanding_bytes(), key);
  std::vector<SiteKey> growing;
  if (large.empty())
    return growing;
  auto next = large.upper_bound(last_); // each in turn
  if (next == large.end())
    next = large.begin();
  of = next->first;
  auto& sites = next->second;
  const std::size_t looked_at = std::min(sites.size(), most_looked_at);
  std::partial_sort(sites.begin(), sites.begin() + static_cast<std::ptrdiff_t>(looked_at),
                    sites.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  const double since = of_.targets.at(of).since;
  for (std::size_t i = 0; i < looked_at && growing.size() < most_sites; i++)
    if (const auto trend = of_.growth.site_trend(sites[i].second, since);
        trend && trend->sustained())
      growing.push_back(sites[i].second);
  return growing;
}

bool ReachSurvey::may_be_reached(std::uint32_t id) const {
  const TargetState* const target = of_.targets.find(id);
  if (!target || !target->alive())
    return false;
  return of_.all || (!target->python.process && target->rss_now.value_or(0) <= most_resident);
}

/// The same blocks as before, as long as they are there, and others that are old.
std::vector<ReachWatch::Question> ReachSurvey::blocks_to_reach(const std::vector<SiteKey>& sites) {
  std::unordered_map<SiteKey, ReachWatch::Question, SiteKeyHash> questions;
  for (const SiteKey& site : sites)
    questions[site].site = site;
  const std::uint64_t now = monotonic_ns();
  std::unordered_map<SiteKey, std::vector<ReachWatch::Block>, SiteKeyHash> others;
  of_.blocks.each_block([&](const leakbpf_block_key& place, const leakbpf_block& block) {
    if (place.target != sites.front().target || place.kind != LEAKBPF_KIND_HEAP ||
        block.time_ns + old_ns > now)
      return;
    const SiteKey site = of_.locator.by_place({place.target, LEAKBPF_KIND_HEAP, block.stack_hash});
    const auto question = questions.find(site);
    if (question == questions.end())
      return;
    const ReachWatch::Block found{place.address, block.size, block.time_ns};
    auto& to = watch_.knows(site, found) ? question->second.blocks : others[site];
    if (to.size() < most_blocks)
      to.push_back(found);
  });
  std::vector<ReachWatch::Question> asked;
  for (auto& [site, question] : questions) {
    for (const ReachWatch::Block& block : others[site])
      if (question.blocks.size() < most_blocks)
        question.blocks.push_back(block);
    if (!question.blocks.empty())
      asked.push_back(std::move(question));
  }
  return asked;
}

void ReachSurvey::look() {
  watch_.take_answers();
  if (!watch_.is_due())
    return;
  const double begin = cpu_seconds();
  std::uint32_t of = last_;
  const std::vector<SiteKey> sites = sites_to_reach(of);
  last_ = of;
  if (sites.empty())
    return;
  std::vector<ReachWatch::Question> questions = blocks_to_reach(sites);
  if (!questions.empty())
    watch_.ask(of_.targets.at(of).process.pid, std::move(questions), cpu_seconds() - begin);
}

} // namespace leakbpf
