// SPDX-License-Identifier: Apache-2.0
#include "held/container_watch.h"

#include <algorithm>
#include <cmath>

namespace leakbpf {

namespace {

constexpr std::size_t container_head_bytes = 32;
constexpr std::size_t container_head_words = container_head_bytes / sizeof(std::uint64_t);
/// As many more entries are no growth, and such a share of what there is.
constexpr double least_rise = 4;
constexpr double least_share = 0.005;

} // namespace

/// A deque with a length that it may have. Full, it does not grow; before, it is no leak.
bool ContainerWatch::is_bounded(const HeapContainer& container) const {
  constexpr std::uint64_t most_length = 64; // dequeobject.maxlen; -1: there is none
  if (container.shape != ObjectShape::deque)
    return false;
  const auto most = memory_.get<std::int64_t>(container.address + most_length);
  return most && *most >= 0;
}

void ContainerWatch::watch(const HeapContainer& container, double t) {
  if (!containers_.contains(container.address) && !is_bounded(container))
    containers_.emplace(container.address, Watched{container, t});
}

void ContainerWatch::add(const Census& census, double t) {
  for (const HeapContainer& container : census.containers)
    watch(container, t);
  std::unordered_map<std::uint64_t, std::uint32_t> small;
  small.reserve(census.small.size());
  for (const HeapContainer& container : census.small) {
    const auto before = small_.find(container.address);
    if (before != small_.end() && container.entries > before->second)
      watch(container, t);
    small.emplace(container.address, static_cast<std::uint32_t>(container.entries));
  }
  small_ = std::move(small);
}

std::vector<std::uint64_t> ContainerWatch::addresses() const {
  std::vector<std::uint64_t> addresses;
  addresses.reserve(containers_.size());
  for (const auto& [address, watched] : containers_)
    addresses.push_back(address);
  std::sort(addresses.begin(), addresses.end());
  return addresses;
}

void ContainerWatch::take_head(std::uint64_t address, const std::uint64_t* head) {
  const auto found = containers_.find(address);
  HeapContainer& container = found->second.container;
  if (layout_.reference_count(head[0]) == 0 ||
      head[object_at::type / sizeof(*head)] != container.type_address) {
    entries_.forget(address);
    containers_.erase(found);
    return;
  }
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(head),
                        container_head_bytes); // NOLINT
  container.entries = entries_of(container.shape, bytes);
  entries_.put(address, static_cast<double>(container.entries));
}

void ContainerWatch::sample(double t) {
  if (!entries_.begin_sample(t))
    return;
  const std::vector<std::uint64_t> all = addresses();
  std::vector<ProcessMemory::Piece> pieces;
  pieces.reserve(all.size());
  for (const std::uint64_t address : all)
    pieces.push_back({address, container_head_bytes});
  std::vector<std::uint64_t> words;
  for (std::size_t done = 0; done < pieces.size(); done++) { // past one that cannot be read
    const std::size_t got = memory_.read_pieces(std::span(pieces).subspan(done), words);
    for (std::size_t i = 0; i < got; i++)
      take_head(all[done + i], &words[i * container_head_words]);
    done += got;
  }
}

EntrySeries ContainerWatch::series(std::uint64_t container) const {
  EntrySeries series;
  const auto watched = containers_.find(container);
  std::vector<double> values;
  if (watched == containers_.end() || !entries_.read(container, values))
    return series;
  const std::vector<double>& times = entries_.times();
  for (std::size_t i = 0; i < std::min(times.size(), values.size()); i++)
    if (times[i] >= watched->second.since) {
      series.times.push_back(times[i]);
      series.entries.push_back(static_cast<std::uint64_t>(values[i]));
    }
  return series;
}

std::vector<GrowingContainer> ContainerWatch::growing(double from) const {
  std::vector<GrowingContainer> growing;
  std::vector<double> values;
  for (const auto& [address, watched] : containers_) {
    const HeapContainer& container = watched.container;
    if (!entries_.read(address, values))
      continue;
    const double rise = std::max(least_rise, least_share * static_cast<double>(container.entries));
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    if (values.empty() || *most - *least < rise)
      continue; // most do not move, and a trend costs some microseconds
    const auto trend = trend_of(entries_.times(), values, std::max(from, watched.since), rise);
    if (trend && trend->sustained())
      growing.push_back({container, *trend});
  }
  std::sort(growing.begin(), growing.end(),
            [](const GrowingContainer& a, const GrowingContainer& b) {
              return a.trend.rate != b.trend.rate ? a.trend.rate > b.trend.rate
                                                  : a.container.address < b.container.address;
            });
  return growing;
}

} // namespace leakbpf
