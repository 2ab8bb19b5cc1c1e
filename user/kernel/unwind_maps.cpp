// SPDX-License-Identifier: Apache-2.0
#include "kernel/unwind_maps.h"

#include "kernel/map_access.h"
#include "leakbpf.skel.h"

namespace leakbpf {

namespace {

/// Of one mapping: 256 MiB of code. For what lies beyond the walker asks the kernel.
constexpr std::uint64_t most_blocks = 4096;

} // namespace

bool UnwindMaps::put_rules(std::uint32_t first, std::span<const leakbpf_unwind_rule> rules) const {
  const int map = bpf_map__fd(skeleton_->maps.unwind_rules);
  for (const leakbpf_unwind_rule& rule : rules) {
    if (!access_->update(map, &first, &rule, BPF_ANY))
      return false;
    first++;
  }
  return true;
}

bool UnwindMaps::put_nodes(std::uint32_t first_id,
                           std::span<const leakbpf_unwind_node> nodes) const {
  std::vector<std::uint32_t> ids(nodes.size());
  for (std::size_t i = 0; i < ids.size(); i++)
    ids[i] = first_id + static_cast<std::uint32_t>(i);
  return nodes.empty() ||
         access_->update_batch(bpf_map__fd(skeleton_->maps.unwind_nodes), ids.data(), nodes.data(),
                               static_cast<std::uint32_t>(nodes.size()));
}

bool UnwindMaps::put_file(const leakbpf_file_key& key, const leakbpf_unwind_file& file) const {
  return access_->update(bpf_map__fd(skeleton_->maps.unwind_files), &key, &file, BPF_ANY);
}

void UnwindMaps::refuse_requests() const {
  skeleton_->bss->unwind_requests_refused = 1;
}

std::optional<leakbpf_unwind_file> UnwindMaps::file(const leakbpf_file_key& key) const {
  leakbpf_unwind_file found{};
  if (!access_->lookup(bpf_map__fd(skeleton_->maps.unwind_files), &key, &found))
    return std::nullopt;
  return found;
}

std::optional<leakbpf_unwind_node> UnwindMaps::node(std::uint32_t id) const {
  leakbpf_unwind_node found;
  if (!access_->lookup(bpf_map__fd(skeleton_->maps.unwind_nodes), &id, &found))
    return std::nullopt;
  return found;
}

std::uint32_t UnwindMaps::space_of(std::uint32_t tgid) const {
  leakbpf_target found{};
  return access_->lookup(bpf_map__fd(skeleton_->maps.targets), &tgid, &found) ? found.space : 0;
}

void UnwindMaps::put_mapping(std::uint32_t space, const leakbpf_mapped_code& code) const {
  const int map = bpf_map__fd(skeleton_->maps.mapped_blocks);
  const std::uint64_t first = code.start >> LEAKBPF_CODE_BLOCK_SHIFT;
  const std::uint64_t last = (code.end - 1) >> LEAKBPF_CODE_BLOCK_SHIFT;
  for (std::uint64_t block = first; block <= last && block - first < most_blocks; block++) {
    const leakbpf_block_of_code key{space, static_cast<std::uint32_t>(block)};
    access_->update(map, &key, &code, BPF_NOEXIST);
  }
}

std::optional<leakbpf_mapped_code> UnwindMaps::mapping_at(std::uint32_t space,
                                                          std::uint64_t pc) const {
  const leakbpf_block_of_code key{space,
                                  static_cast<std::uint32_t>(pc >> LEAKBPF_CODE_BLOCK_SHIFT)};
  leakbpf_mapped_code found{};
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.mapped_blocks), &key, &found) ||
      pc < found.start || pc >= found.end)
    return std::nullopt;
  return found;
}

void UnwindMaps::refuse_walk(std::uint64_t walk_hash, std::uint64_t until_ns) const {
  bpf_map_update_elem(bpf_map__fd(skeleton_->maps.unreadable_walks), &walk_hash, &until_ns,
                      BPF_ANY);
}

std::optional<leakbpf_stack> UnwindMaps::stack(std::uint64_t hash) const {
  leakbpf_stack found{};
  if (!access_->lookup(bpf_map__fd(skeleton_->maps.stacks), &hash, &found))
    return std::nullopt;
  if (found.depth > LEAKBPF_STACK_SLOTS)
    found.depth = LEAKBPF_STACK_SLOTS;
  return found;
}

int UnwindMaps::requests_map() const {
  return bpf_map__fd(skeleton_->maps.unwind_requests);
}

} // namespace leakbpf
