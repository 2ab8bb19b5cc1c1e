// SPDX-License-Identifier: Apache-2.0
#include "target/present_pages.h"

#include <algorithm>

#include <fcntl.h>
#include <unistd.h>

namespace leakbpf {

namespace {

PageState state_of(std::uint64_t entry) {
  constexpr std::uint64_t present = 1ULL << 63;
  constexpr std::uint64_t swapped = 1ULL << 62;
  if ((entry & present) != 0)
    return PageState::present;
  return (entry & swapped) != 0 ? PageState::swapped : PageState::absent;
}

} // namespace

LivePages::LivePages(const std::string& pagemap)
    : file_(open(pagemap.c_str(), O_RDONLY | O_CLOEXEC)) {}

std::vector<PageState> LivePages::states(std::uint64_t address, std::size_t count) const {
  std::vector<std::uint64_t> entries(count);
  const auto at = static_cast<off_t>(address / page_bytes * sizeof(entries[0]));
  const std::size_t bytes = count * sizeof(entries[0]);
  const ssize_t got = file_ ? pread(file_.get(), entries.data(), bytes, at) : -1;
  std::vector<PageState> states;
  if (got != static_cast<ssize_t>(bytes)) {
    // A process that ended has no pages, and its pagemap ends at once.
    states.assign(count, got == 0 ? PageState::absent : PageState::present);
    return states;
  }
  states.reserve(count);
  for (const std::uint64_t entry : entries)
    states.push_back(state_of(entry));
  return states;
}

std::uint64_t used_bytes(const PresentPages& pages, std::uint64_t address, std::uint64_t bytes) {
  constexpr std::uint64_t pages_at_once = 1 << 16;
  std::uint64_t used = 0;
  for (std::uint64_t done = 0; done < bytes;) {
    const std::uint64_t part = std::min(bytes - done, pages_at_once * page_bytes);
    const auto states = pages.states(address + done, (part + page_bytes - 1) / page_bytes);
    used += states.size() -
            static_cast<std::uint64_t>(std::count(states.begin(), states.end(), PageState::absent));
    done += part;
  }
  return std::min(used * page_bytes, bytes);
}

} // namespace leakbpf
