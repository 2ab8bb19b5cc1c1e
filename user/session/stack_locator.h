// SPDX-License-Identifier: Apache-2.0
// From addresses on a stack to places in files: by what /proc says is mapped, and by what the
// kernel's walker came through where /proc could not be asked in time.
#pragma once

#include "core/site_sample.h"
#include "core/stack_store.h"
#include "session/attachments.h"
#include "session/target_probes.h"
#include "session/target_table.h"
#include "symbol/namer.h"
#include "unwind/unwind_service.h"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace leakbpf {

class StackLocator {
public:
  using Losses = std::array<std::uint64_t, LEAKBPF_LOSS_COUNT>;
  /// All outlive the locator.
  struct Parts {
    const ProcFs& proc;
    const StackTable& table;
    UnwindService& unwind;
    const Attachments& attachments;
    Namer& namer;
    StackStore& stacks;
    TargetTable& targets;
    TargetProbes& probes;
    Losses& losses;
    bool follows_heap; ///< else what serves it counts as what it is
  };
  explicit StackLocator(Parts parts) : of_(parts) {}

  /// A new stack.
  void look_at(const leakbpf_event& event);
  /// Stacks that came to a file before its unwind table did.
  void take_finished(const std::function<bool(std::uint32_t)>& is_settled);
  /// The key with the place of its stack; while that is not known the kernel's hash stands for it.
  [[nodiscard]] SiteKey by_place(const KernelKey& key);
  /// A stack that is known by the kernel's hash alone; nothing where it was not recorded.
  [[nodiscard]] std::optional<LocatedStack> locate_unknown(const SiteKey& site);
  /// Keeps the stack of a site that nobody took apart while the target was there.
  void keep(const TargetState& target, const SiteKey& key);
  /// The site that a range counts for: where heap blocks are followed, what serves them would be
  /// counted twice. Nothing where it counts for none.
  [[nodiscard]] std::optional<SiteKey> site_of_range(const TargetState& target,
                                                     const KernelKey& key);
  /// All else is forgotten.
  void keep_only(const std::unordered_set<std::uint64_t>& places);

private:
  /// What memory that is mapped or broken off serves.
  struct HeapBacking {
    bool serves_heap = false;     ///< blocks that a heap function hands out
    bool serves_pools = false;    ///< Python's pools
    std::uint64_t heap_stack = 0; ///< place of the stack from the heap function's caller on
  };
  using FileId = Attachments::FileId;
  struct WalkedMappings {
    std::vector<Mapping> unknown; ///< where nothing else is known
    std::vector<Mapping> others;  ///< where other files lie now
  };

  [[nodiscard]] std::optional<leakbpf_mapped_code> walked_code(std::uint32_t space,
                                                               std::uint64_t pc);
  [[nodiscard]] std::string path_of_walked(const TargetState& target, const FileId& file);
  [[nodiscard]] WalkedMappings walked_mappings(const TargetState& target,
                                               const leakbpf_stack& stack);
  [[nodiscard]] LocatedStack locate_walked(TargetState& target, const leakbpf_stack& stack);
  [[nodiscard]] LocatedStack locate(const TargetState& target, const AddressSpace& space,
                                    const leakbpf_stack& stack);
  bool remember(TargetState& target, std::uint64_t hash, const leakbpf_stack& stack);
  void settle_end(LocatedStack& stack);
  [[nodiscard]] HeapBacking backing_of(const SiteKey& place);

  Parts of_;
  std::unordered_map<std::uint64_t, HeapBacking> backings_;             ///< by place
  std::unordered_map<std::uint64_t, leakbpf_mapped_code> walked_codes_; ///< by space and block
  /// By find_beside(), of a target; "": not found.
  std::map<std::pair<std::uint32_t, FileId>, std::string> found_files_;
  std::vector<FinishedStack> finished_; ///< of targets that are not known yet
};

} // namespace leakbpf
