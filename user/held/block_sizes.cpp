// SPDX-License-Identifier: Apache-2.0
#include "held/block_sizes.h"

#include "held/heap_scan.h"
#include "python/pools.h"
#include "target/glibc_chunk.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>

namespace leakbpf {

namespace {

/// Sizes that are read are numbers of another process: none is believed beyond this.
constexpr std::uint64_t most_bytes = 1ULL << 40;

std::uint64_t rounded(std::uint64_t bytes) {
  return (bytes + pool_alignment - 1) / pool_alignment * pool_alignment;
}

std::uint64_t sane(std::uint64_t bytes) {
  return bytes < most_bytes ? bytes : 0;
}

constexpr std::uint32_t bytes_io_buffer = 16; // bytesio.buf of Modules/_io/bytesio.c

} // namespace

/// Of the block of a pool that has this address in it; 0: it is in none.
std::uint64_t BlockSizes::pool_block_bytes(std::uint64_t address) const {
  const std::uint32_t pool_bytes = reader_.layout().pool_bytes;
  const std::uint64_t pool = address / pool_bytes * pool_bytes;
  std::array<std::uint8_t, pool_header_bytes> header{};
  if (!reader_.memory().read(pool, header.data(), header.size()))
    return 0;
  return pool_block_size(header, pool, pool_bytes);
}

/// Of the block of PyDictValues: up to 3.12 the byte before them says how much stands in front.
std::uint64_t BlockSizes::value_bytes(std::uint64_t values) const {
  if (const std::uint64_t bytes = pool_block_bytes(values))
    return bytes;
  constexpr std::uint64_t most = 4096;
  const auto in_front = reader_.memory().get<std::uint8_t>(values - 1);
  const auto chunk = reader_.memory().get<std::uint64_t>(values - in_front.value_or(0) - 8);
  const std::uint64_t bytes = chunk.value_or(0) & ~glibc_chunk::flags;
  return bytes >= glibc_chunk::smallest && bytes <= most ? bytes : 0;
}

/// By its type, where no pool tells.
std::uint64_t BlockSizes::own_bytes(std::uint64_t object, const ObjectType& type) const {
  std::uint64_t bytes = type.header_bytes(reader_.layout()) + type.basic_size;
  if (type.item_size != 0) {
    const auto items = static_cast<std::int64_t>(reader_.word(object + object_at::size));
    bytes += sane(static_cast<std::uint64_t>(std::llabs(items)) * type.item_size);
  } else if (type.has(type_flag::str_subclass)) {
    constexpr std::uint64_t state_at = 32;
    const unsigned kind_bit = reader_.layout().version < PythonVersion{3, 14} ? 2 : 16;
    const std::uint64_t bytes_each =
        std::max<std::uint64_t>(reader_.word(object + state_at) >> kind_bit & 7, 1);
    bytes += sane(reader_.word(object + object_at::size) * bytes_each);
  }
  return rounded(bytes);
}

std::uint64_t BlockSizes::table_at(std::uint64_t object, ObjectShape shape) const {
  constexpr std::uint32_t bytearray_bytes = 32; // PyByteArrayObject.ob_bytes
  constexpr std::uint32_t array_items = 24;     // arrayobject.ob_item
  switch (shape) {
  case ObjectShape::dict:
    return reader_.word(object + object_at::dict_keys);
  case ObjectShape::list:
    return reader_.word(object + object_at::list_items);
  case ObjectShape::set:
    return reader_.word(object + object_at::set_table);
  case ObjectShape::bytearray:
    return reader_.word(object + bytearray_bytes);
  case ObjectShape::array:
    return reader_.word(object + array_items);
  case ObjectShape::bytes_io:
    return reader_.word(object + bytes_io_buffer);
  default:
    return 0;
  }
}

std::uint64_t BlockSizes::table_bytes(std::uint64_t object, ObjectShape shape) const {
  switch (shape) {
  case ObjectShape::dict: {
    const auto table = read_dict_table(reader_.memory(), reader_.layout(), object);
    if (!table)
      return 0;
    // Of shared keys an object has the values alone.
    return sane(table->values != 0 ? table->slots_used * sizeof(std::uint64_t) : table->bytes);
  }
  case ObjectShape::list:
    return sane(reader_.word(object + 32) * sizeof(std::uint64_t));
  case ObjectShape::set: {
    constexpr std::uint64_t entry_bytes = 16;
    constexpr std::uint64_t in_the_set = 8;
    const std::uint64_t slots = reader_.word(object + object_at::set_mask) + 1;
    return slots <= in_the_set ? 0 : sane(slots * entry_bytes);
  }
  case ObjectShape::deque: {
    constexpr std::uint64_t items_of_block = 64;
    constexpr std::uint64_t block_bytes = 528;
    return sane((reader_.word(object + object_at::size) / items_of_block + 1) * block_bytes);
  }
  case ObjectShape::bytearray:
    return sane(reader_.word(object + object_at::list_items)); // ob_alloc stands there
  case ObjectShape::array: {
    constexpr std::uint32_t allocated = 32; // of arrayobject
    constexpr std::uint32_t kind = 40;      // arraydescr, of which itemsize
    const auto each = reader_.memory().get<std::int32_t>(reader_.word(object + kind) + 4);
    constexpr std::int32_t most_each = 64;
    return each && *each > 0 && *each <= most_each
               ? sane(reader_.word(object + allocated) * static_cast<std::uint64_t>(*each))
               : 0;
  }
  case ObjectShape::bytes_io: // its bytes object may be larger than what is written
    return sane(reader_.word(reader_.word(object + bytes_io_buffer) + object_at::size));
  default:
    return 0;
  }
}

double BlockSizes::table_bytes_each(std::uint64_t object, ObjectShape shape) const {
  constexpr double pointer_bytes = sizeof(std::uint64_t);
  switch (shape) {
  case ObjectShape::dict: {
    const auto table = read_dict_table(reader_.memory(), reader_.layout(), object);
    if (!table || table->values != 0)
      return pointer_bytes;
    // Slots of the index are as wide as their number needs.
    constexpr double slots_of_entry = 1.5;
    const double slots = static_cast<double>(table->slots_used) * slots_of_entry;
    const double index_bytes = slots <= 0x80 ? 1 : slots <= 0x8000 ? 2 : 4;
    return table->entry_bytes + slots_of_entry * index_bytes;
  }
  case ObjectShape::set: {
    constexpr double entry_bytes = 16;
    constexpr double most_used = 0.6; // of the slots
    return entry_bytes / most_used;
  }
  case ObjectShape::list:
  case ObjectShape::deque:
    return pointer_bytes;
  case ObjectShape::array: {
    const auto length = static_cast<double>(reader_.word(object + object_at::size));
    return length > 0 ? static_cast<double>(table_bytes(object, shape)) / length : 0;
  }
  case ObjectShape::bytearray:
  case ObjectShape::bytes_io:
    return 1;
  default:
    return 0;
  }
}

/// Of the dict, or the values, that its attributes are kept in beside it.
std::uint64_t BlockSizes::attribute_bytes(std::uint64_t object, const ObjectType& type) const {
  const ObjectLayout& layout = reader_.layout();
  std::uint64_t dict = 0;
  if (layout.version >= PythonVersion{3, 11} && type.has(type_flag::managed_dict)) {
    dict = reader_.word(object - 24);
    if (layout.version == PythonVersion{3, 11} && reader_.word(object - 32) != 0)
      return value_bytes(reader_.word(object - 32));
    if (layout.version == PythonVersion{3, 12} && dict % 2 == 1)
      return value_bytes(dict + 1);
  } else if (type.dict_offset > 0) {
    dict = reader_.word(object + static_cast<std::uint64_t>(type.dict_offset));
  }
  if (dict == 0)
    return 0;
  constexpr std::uint64_t dict_bytes = 64;
  return dict_bytes + table_bytes(dict, ObjectShape::dict);
}

std::uint64_t BlockSizes::bytes_of(std::uint64_t object, const ObjectType& type) const {
  const std::uint64_t block = pool_block_bytes(object - type.header_bytes(reader_.layout()));
  return (block != 0 ? block : own_bytes(object, type)) + table_bytes(object, type.shape) +
         attribute_bytes(object, type);
}

} // namespace leakbpf
