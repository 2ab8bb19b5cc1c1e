// SPDX-License-Identifier: Apache-2.0
// What the kernel side counted: sites, stacks, blocks, and what targets did.
#include "kernel/kernel_side_impl.h"

#include <leakbpf/stack_hash.h>

#include <algorithm>
#include <cstring>

namespace leakbpf {

namespace {

std::size_t per_cpu_value_bytes(std::size_t value_bytes) {
  return value_bytes * static_cast<std::size_t>(libbpf_num_possible_cpus());
}

/// Of all CPUs.
leakbpf_site_totals sum_of(const std::uint8_t* values, std::size_t bytes) {
  leakbpf_site_totals sum{};
  for (std::size_t at = 0; at < bytes; at += sizeof(leakbpf_site_totals)) {
    leakbpf_site_totals part;
    std::memcpy(&part, values + at, sizeof(part));
    sum.allocated_bytes += part.allocated_bytes;
    sum.allocated_count += part.allocated_count;
    sum.freed_bytes += part.freed_bytes;
    sum.freed_count += part.freed_count;
    if (part.young_window > sum.young_window) {
      sum.young_window = part.young_window;
      sum.young_bytes = sum.young_count = 0;
    }
    if (part.young_window == sum.young_window) {
      sum.young_bytes += part.young_bytes;
      sum.young_count += part.young_count;
    }
  }
  return sum;
}

leakbpf_activity& operator+=(leakbpf_activity& sum, const leakbpf_activity& part) {
  sum.hits += part.hits;
  sum.allocations += part.allocations;
  sum.frees += part.frees;
  sum.nested += part.nested;
  sum.work_ns += part.work_ns;
  for (int which = 0; which < LEAKBPF_STANDING_COUNT; which++) {
    sum.standing[which].hits += part.standing[which].hits;
    sum.standing[which].work_ns += part.standing[which].work_ns;
  }
  return sum;
}

/// Of all CPUs.
leakbpf_activity sum_of_activity(const std::uint8_t* values, std::size_t bytes) {
  leakbpf_activity sum{};
  for (std::size_t at = 0; at < bytes; at += sizeof(leakbpf_activity)) {
    leakbpf_activity part;
    std::memcpy(&part, values + at, sizeof(part));
    sum += part;
  }
  return sum;
}

/// Forks, execs and exits that the kernel did not run the program for: it was at work on that CPU,
/// and was preempted there.
std::uint64_t missed_life_cycles(const leakbpf_bpf* skeleton, const MapAccess& access) {
  std::uint64_t missed = 0;
  for (const bpf_program* program : life_cycle_programs(skeleton)) {
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    if (access.insist(
            [&] { return bpf_prog_get_info_by_fd(bpf_program__fd(program), &info, &size); }) == 0)
      missed += info.recursion_misses;
  }
  return missed;
}

} // namespace

std::optional<leakbpf_collections> KernelSide::collections(std::uint32_t target) const {
  leakbpf_collections found{};
  if (!impl_->access.lookup(bpf_map__fd(impl_->skeleton->maps.collections), &target, &found))
    return std::nullopt;
  return found;
}

void KernelSide::forget_collections(std::uint32_t target) {
  impl_->access.remove(bpf_map__fd(impl_->skeleton->maps.collections), &target);
}

std::optional<std::uint64_t> KernelSide::python_heap(std::uint32_t target) const {
  std::uint64_t state = 0;
  if (!impl_->access.lookup(bpf_map__fd(impl_->skeleton->maps.python_heaps), &target, &state))
    return std::nullopt;
  return state;
}

std::uint32_t KernelSide::code_deaths(std::uint32_t target, std::uint64_t address) const {
  const std::uint32_t index = code_index(target, address);
  leakbpf_code known{};
  return impl_->access.lookup(bpf_map__fd(impl_->skeleton->maps.codes), &index, &known)
             ? known.deaths
             : 0;
}

std::vector<SiteSample> KernelSide::read_sites() const {
  std::vector<SiteSample> samples;
  const std::size_t value_bytes = per_cpu_value_bytes(sizeof(leakbpf_site_totals));
  const auto sum = [&](const leakbpf_site_key& key, const std::uint8_t* values) {
    samples.push_back({key, sum_of(values, value_bytes)});
  };
  impl_->access.each_element<leakbpf_site_key>(bpf_map__fd(impl_->skeleton->maps.sites),
                                               value_bytes, sum);
  return samples;
}

void KernelSide::forget_stack(std::uint64_t hash) {
  impl_->access.remove(bpf_map__fd(impl_->skeleton->maps.stacks), &hash);
}

std::optional<SiteSample> KernelSide::take_totals(const leakbpf_site_key& key) {
  std::vector<std::uint8_t> values(per_cpu_value_bytes(sizeof(leakbpf_site_totals)));
  if (!impl_->access.take(bpf_map__fd(impl_->skeleton->maps.sites), &key, values.data()))
    return std::nullopt;
  return SiteSample{key, sum_of(values.data(), values.size())};
}

std::uint32_t KernelSide::max_stacks() const {
  return impl_->config.max_stacks;
}

std::optional<leakbpf_stack> KernelSide::read_stack(std::uint64_t hash) const {
  return unwind_maps().stack(hash);
}

leakbpf_counters KernelSide::read_counters() const {
  const std::uint32_t zero = 0;
  const auto page_faults = impl_->page_faults.count(); // first: none is missed in between
  if (!page_faults)
    impl_->access.count_failure();
  leakbpf_counters total{};
  std::vector<leakbpf_counters> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  if (impl_->access.lookup(bpf_map__fd(impl_->skeleton->maps.counters), &zero, values.data())) {
    for (const leakbpf_counters& value : values) {
      for (int loss = 0; loss < LEAKBPF_LOSS_COUNT; loss++)
        total.losses[loss] += value.losses[loss];
      total.page_faults += value.page_faults;
    }
    impl_->last_counters = total;
  } else {
    total = impl_->last_counters;
  }
  total.losses[LEAKBPF_LOSS_EVENTS_DROPPED] +=
      missed_life_cycles(impl_->skeleton.get(), impl_->access);
  if (page_faults.value_or(0) > total.page_faults)
    total.losses[LEAKBPF_LOSS_MISSED_FAULTS] = *page_faults - total.page_faults;
  total.losses[LEAKBPF_LOSS_KERNEL_TABLES] = impl_->access.failures(); // last: those of here too
  return total;
}

leakbpf_activity KernelSide::activity(std::uint32_t target) const {
  const std::uint32_t slot = target % LEAKBPF_ACTIVITY_SLOTS;
  std::vector<std::uint8_t> values(per_cpu_value_bytes(sizeof(leakbpf_activity)));
  leakbpf_activity& last = impl_->last_activities.at(slot);
  if (impl_->access.lookup(bpf_map__fd(impl_->skeleton->maps.activity), &slot, values.data()))
    last = sum_of_activity(values.data(), values.size());
  return last;
}

leakbpf_activity KernelSide::total_activity() const {
  leakbpf_activity sum{};
  const std::vector<leakbpf_activity> all = activities();
  for (const leakbpf_activity& part : std::span(all).first(LEAKBPF_ACTIVITY_SLOTS))
    sum += part;
  return sum;
}

std::vector<leakbpf_activity> KernelSide::activities() const {
  const std::size_t value_bytes = per_cpu_value_bytes(sizeof(leakbpf_activity));
  const auto keep = [&](std::uint32_t slot, const std::uint8_t* values) {
    if (slot < impl_->last_activities.size())
      impl_->last_activities[slot] = sum_of_activity(values, value_bytes);
  };
  impl_->access.each_element<std::uint32_t>(bpf_map__fd(impl_->skeleton->maps.activity),
                                            value_bytes, keep);
  return impl_->last_activities;
}

std::size_t KernelSide::each_block(
    const std::function<void(const leakbpf_block_key&, const leakbpf_block&)>& visit) const {
  return impl_->access.each_element<leakbpf_block_key>(
      bpf_map__fd(impl_->skeleton->maps.live), sizeof(leakbpf_block),
      [&](const leakbpf_block_key& key, const std::uint8_t* value) {
        leakbpf_block block;
        std::memcpy(&block, value, sizeof(block));
        visit(key, block);
      });
}

std::optional<leakbpf_block> KernelSide::block_at(const leakbpf_block_key& key) const {
  leakbpf_block block{};
  if (!impl_->access.lookup(bpf_map__fd(impl_->skeleton->maps.live), &key, &block))
    return std::nullopt;
  return block;
}

std::optional<leakbpf_block> KernelSide::take_block(const leakbpf_block_key& key,
                                                    std::uint64_t time_ns) {
  const int map = bpf_map__fd(impl_->skeleton->maps.live);
  leakbpf_block block{};
  if (!impl_->access.take(map, &key, &block))
    return std::nullopt;
  if (block.time_ns == time_ns)
    return block;
  impl_->access.update(map, &key, &block, BPF_NOEXIST);
  return std::nullopt;
}

void KernelSide::forget_block(const leakbpf_block_key& key) {
  impl_->access.remove(bpf_map__fd(impl_->skeleton->maps.live), &key);
}

std::optional<leakbpf_mapped_code> KernelSide::code_at(std::uint32_t space,
                                                       std::uint64_t pc) const {
  return unwind_maps().mapping_at(space, pc);
}

} // namespace leakbpf
