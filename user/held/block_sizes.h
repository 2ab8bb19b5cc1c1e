// SPDX-License-Identifier: Apache-2.0
// How many bytes an object of a live Python process takes, with the parts of it that lie elsewhere.
#pragma once

#include "held/object_reader.h"

#include <cstdint>

namespace leakbpf {

class BlockSizes {
public:
  explicit BlockSizes(const ObjectReader& reader) : reader_(reader) {}

  /// Of the object alone: its block and its own tables, not what it refers to.
  [[nodiscard]] std::uint64_t bytes_of(std::uint64_t object, const ObjectType& type) const;
  /// Of the table of a container, however many entries are in it.
  [[nodiscard]] std::uint64_t table_bytes(std::uint64_t object, ObjectShape shape) const;
  /// What a full table has for each entry: as it grows by and by, with room to spare only at times.
  [[nodiscard]] double table_bytes_each(std::uint64_t object, ObjectShape shape) const;
  /// Where that table is; 0: it has none.
  [[nodiscard]] std::uint64_t table_at(std::uint64_t object, ObjectShape shape) const;

private:
  [[nodiscard]] std::uint64_t pool_block_bytes(std::uint64_t address) const;
  [[nodiscard]] std::uint64_t value_bytes(std::uint64_t values) const;
  [[nodiscard]] std::uint64_t own_bytes(std::uint64_t object, const ObjectType& type) const;
  [[nodiscard]] std::uint64_t attribute_bytes(std::uint64_t object, const ObjectType& type) const;

  const ObjectReader& reader_;
};

} // namespace leakbpf
