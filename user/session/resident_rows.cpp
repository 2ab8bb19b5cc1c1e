// SPDX-License-Identifier: Apache-2.0
#include "session/resident_rows.h"

#include "target/present_pages.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

namespace leakbpf {

namespace {

// Rows that are looked at, and pages of all of them: 32 MB of pagemap.
constexpr std::size_t most_measured = 20;
constexpr std::uint64_t most_pages = 1 << 22;
constexpr std::uint64_t least_mapped_bytes = 1 << 20;

} // namespace

void measure_resident(const ProcFs& proc, TargetTable& targets, StackLocator& locator,
                      std::vector<SiteReport>& sites) {
  std::unordered_map<SiteKey, std::optional<std::uint64_t>, SiteKeyHash> resident;
  for (const SiteReport& site : sites)
    if (site.key.kind == LEAKBPF_KIND_MMAP &&
        site.totals.outstanding_bytes() >= least_mapped_bytes && resident.size() < most_measured)
      resident.emplace(site.key, std::nullopt);
  std::uint64_t left = most_pages;
  for (const auto& [id, target] : targets) {
    if (!target.alive() || resident.empty())
      continue;
    const LivePages pages(proc.path(target.process.pid, "pagemap"));
    target.ranges->each_piece(
        [&, id = id](const RangeOwner& owner, std::uint64_t address, std::uint64_t bytes) {
          const auto wanted = resident.find(locator.by_place({id, owner.kind, owner.stack_hash}));
          if (wanted == resident.end())
            return;
          const std::uint64_t count = bytes / page_bytes + 1;
          if (count > left)
            resident.erase(wanted); // too much to look at: unknown
          else
            wanted->second = wanted->second.value_or(0) + used_bytes(pages, address, bytes);
          left -= std::min(left, count);
        });
    if (!targets.has_image(target)) // it ended meanwhile, and has no pages
      std::erase_if(resident, [id = id](const auto& each) { return each.first.target == id; });
  }
  for (SiteReport& site : sites)
    if (const auto measured = resident.find(site.key);
        measured != resident.end() && measured->second)
      site.resident_bytes = std::min(*measured->second, site.totals.outstanding_bytes());
}

} // namespace leakbpf
