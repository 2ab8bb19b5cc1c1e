// SPDX-License-Identifier: Apache-2.0
// The unwinder's side of the kernel: its tables, and what it asks for.
#pragma once

#include <leakbpf/abi.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

struct leakbpf_bpf;

namespace leakbpf {

class MapAccess;

/// May be used from another thread than the rest of KernelSide. Must not outlive it.
class UnwindMaps {
public:
  UnwindMaps(leakbpf_bpf* skeleton, const MapAccess& access)
      : skeleton_(skeleton), access_(&access) {}

  // Tables. These are in use as soon as they are put, so nodes and rules come before their file.
  // False when the kernel has no room or no memory.
  [[nodiscard]] bool put_rules(std::uint32_t first,
                               std::span<const leakbpf_unwind_rule> rules) const;
  [[nodiscard]] bool put_nodes(std::uint32_t first_id,
                               std::span<const leakbpf_unwind_node> nodes) const;
  [[nodiscard]] bool put_file(const leakbpf_file_key& key, const leakbpf_unwind_file& file) const;

  /// From here on, walks that come to a file without a table end there.
  void refuse_requests() const;

  [[nodiscard]] std::optional<leakbpf_unwind_file> file(const leakbpf_file_key& key) const;
  [[nodiscard]] std::optional<leakbpf_unwind_node> node(std::uint32_t id) const;

  /// The name of what is mapped in a target now; 0: it is none.
  [[nodiscard]] std::uint32_t space_of(std::uint32_t tgid) const;

  /// Tells the walker what is mapped in an address space, so that it need not ask the kernel. What
  /// it asked for already stays.
  void put_mapping(std::uint32_t space, const leakbpf_mapped_code& code) const;

  /// The mapping that the walker found at `pc` in an address space; nothing when it has not looked,
  /// or has forgotten.
  [[nodiscard]] std::optional<leakbpf_mapped_code> mapping_at(std::uint32_t space,
                                                              std::uint64_t pc) const;

  /// Until then, by CLOCK_MONOTONIC, the walk is not to be sent when its memory cannot be read.
  void refuse_walk(std::uint64_t walk_hash, std::uint64_t until_ns) const;

  /// What the walker kept under `hash`; nothing when it is not there.
  [[nodiscard]] std::optional<leakbpf_stack> stack(std::uint64_t hash) const;

  [[nodiscard]] int requests_map() const;

private:
  leakbpf_bpf* skeleton_;
  const MapAccess* access_;
};

} // namespace leakbpf
