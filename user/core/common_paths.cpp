// SPDX-License-Identifier: Apache-2.0
#include "core/common_paths.h"

#include <leakbpf/stack_hash.h>

#include <functional>
#include <string>
#include <unordered_map>

namespace leakbpf {

namespace {

// Fewer blocks may have been given back by chance.
constexpr std::uint64_t least_blocks = 20;
// Of fewer nothing can be said of most.
constexpr std::size_t least_stacks = 10;

/// Returns the whole path.
template <class Take> std::uint64_t walk(const Frames& frames, const Take& take) {
  std::uint64_t path = 0;
  for (const Frame& frame : frames)
    if (frame.kind != FrameKind::note)
      take(path = path_through(path, frame));
  return path;
}

} // namespace

/// A function that is inlined in several others has its line in common, not its address.
std::uint64_t path_through(std::uint64_t path, const Frame& frame) {
  const std::hash<std::string> text;
  std::uint64_t place = text(frame.function);
  const auto add = [&place](std::uint64_t part) { place = place * 31 + part; };
  add(text(frame.file));
  add(text(frame.module));
  add(frame.line != 0 ? frame.line : frame.offset.value_or(0));
  return unwind_hash(path, place);
}

bool comes_and_goes(const SiteTotals& totals) {
  return totals.allocated_count >= least_blocks &&
         totals.outstanding_bytes() <= totals.allocated_bytes / 2;
}

void CommonPaths::find_trunk(const std::vector<SiteReport>& sites) {
  if (sites.size() < least_stacks)
    return;
  std::unordered_map<std::uint64_t, std::size_t> stacks;
  for (const SiteReport& site : sites)
    for (const Frame& frame : site.frames)
      if (frame.kind != FrameKind::note)
        stacks[path_through(0, frame)]++;
  for (const auto& [frame, count] : stacks)
    if (count > sites.size() / 2)
      trunk_.insert(frame);
}

CommonPaths::CommonPaths(const std::vector<SiteReport>& sites) {
  find_trunk(sites);
  std::unordered_set<std::uint64_t> leaking;
  std::unordered_set<std::uint64_t> leaks; // whole
  for (const SiteReport& site : sites)
    if (grows(site.verdict.severity))
      leaks.insert(walk(site.frames, [&](std::uint64_t path) { leaking.insert(path); }));
  if (leaking.empty())
    return;
  for (const SiteReport& site : sites) {
    if (grows(site.verdict.severity) || !comes_and_goes(site.totals))
      continue;
    // Of two calls in one line the one may leak: that says nothing of the frames outside of it.
    if (leaks.contains(walk(site.frames, [](std::uint64_t) {})))
      continue;
    walk(site.frames, [&](std::uint64_t path) {
      if (leaking.contains(path))
        paths_.insert(path);
    });
  }
}

} // namespace leakbpf
