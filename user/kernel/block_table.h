// SPDX-License-Identifier: Apache-2.0
// The table in which the kernel side keeps every outstanding block that it follows.
#pragma once

#include <leakbpf/abi.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

namespace leakbpf {

class BlockTable {
public:
  virtual ~BlockTable() = default;

  /// Visits every outstanding heap block; blocks that come and go meanwhile may be missed. Returns
  /// how many were visited.
  virtual std::size_t each_block(
      const std::function<void(const leakbpf_block_key&, const leakbpf_block&)>& visit) const = 0;
  [[nodiscard]] virtual std::optional<leakbpf_block>
  block_at(const leakbpf_block_key& key) const = 0;
  /// Takes a block that was given back unseen out of the table: the one that was taken at
  /// `time_ns`. Nothing when there is none, or another by now.
  [[nodiscard]] virtual std::optional<leakbpf_block> take_block(const leakbpf_block_key& key,
                                                                std::uint64_t time_ns) = 0;
  /// Frees the room of a block of a target that has ended.
  virtual void forget_block(const leakbpf_block_key& key) = 0;

protected:
  BlockTable() = default;
  BlockTable(const BlockTable&) = default;
  BlockTable& operator=(const BlockTable&) = default;
  BlockTable(BlockTable&&) = default;
  BlockTable& operator=(BlockTable&&) = default;
};

} // namespace leakbpf
