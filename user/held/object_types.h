// SPDX-License-Identifier: Apache-2.0
// The types of a Python process, told from what is none by what a type object must look like.
#pragma once

#include "base/process_memory.h"
#include "held/object_layout.h"

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace leakbpf {

/// How an object's entries and references are found.
enum class ObjectShape : std::uint8_t {
  other,
  dict,
  list,
  tuple,
  set,
  deque,
  bytearray,
  array,    ///< array.array
  bytes_io, ///< io.BytesIO
  text,     ///< str, bytes, int: they hold nothing
  type,
  module,
  function,
  cell,
  generator, ///< also coroutine and asynchronous generator
  frame,
  code,
  weak_reference,
};

using TypeNumber = std::uint32_t;

struct ObjectType {
  std::uint64_t address = 0;
  std::string name; ///< as the type has it: "collections.deque", "Session"
  std::uint64_t flags = 0;
  std::uint32_t basic_size = 0;
  std::uint32_t item_size = 0;
  std::int32_t dict_offset = 0;
  ObjectShape shape = ObjectShape::other;

  [[nodiscard]] bool has(std::uint64_t flag) const { return (flags & flag) != 0; }
  /// Bytes that lie before its objects in their blocks: the collector's header, and the words that
  /// 3.11 and later keep before it.
  [[nodiscard]] std::uint32_t header_bytes(const ObjectLayout& layout) const;
};

/// Reads types as they are met. What an address was found to be is kept: types are asked for some
/// million times, and most addresses are those of a few.
class ObjectTypes {
public:
  explicit ObjectTypes(const ProcessMemory& memory);

  /// The number of the type at `address`; nothing when none is there.
  [[nodiscard]] std::optional<TypeNumber> find(std::uint64_t address) {
    Slot& slot = slots_[slot_of(address)];
    if (slot.address != address)
      look_up(address, slot);
    return slot.number == none ? std::nullopt : std::optional(slot.number);
  }
  [[nodiscard]] const ObjectType& operator[](TypeNumber number) const { return types_[number]; }
  [[nodiscard]] std::size_t count() const { return types_.size(); }
  /// Types can be freed, and others made where they were: looks at each once more. Numbers of types
  /// that are as they were stay.
  void look_again();

private:
  static constexpr TypeNumber none = ~TypeNumber{0};
  static constexpr std::size_t slot_bits = 14;
  struct Slot {
    std::uint64_t address = 0;
    TypeNumber number = none;
  };

  [[nodiscard]] static std::size_t slot_of(std::uint64_t address) {
    return (address >> 4) * 0x9E3779B97F4A7C15 >> (64 - slot_bits);
  }
  void look_up(std::uint64_t address, Slot& slot);
  [[nodiscard]] TypeNumber number_of(std::uint64_t address);
  [[nodiscard]] std::optional<ObjectType> read(std::uint64_t address);
  [[nodiscard]] bool is_metatype(std::uint64_t address);
  [[nodiscard]] ObjectShape shape_of(const ObjectType& type, std::uint64_t base);
  [[nodiscard]] ObjectShape inherited_shape(std::uint64_t base);

  const ProcessMemory& memory_;
  std::vector<Slot> slots_;
  std::deque<ObjectType> types_;                             ///< they stay where they are
  std::unordered_map<std::uint64_t, TypeNumber> by_address_; ///< at the last look at each
  std::unordered_set<std::uint64_t> looked_at_;              ///< since look_again
  std::vector<std::uint64_t> metatypes_;                     ///< known to be types of types
  unsigned depth_ = 0;                                       ///< of bases that are being read
};

} // namespace leakbpf
