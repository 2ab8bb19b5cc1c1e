// SPDX-License-Identifier: Apache-2.0
#include "held/object_types.h"

#include "base/field.h"

#include <algorithm>
#include <span>
#include <string_view>

namespace leakbpf {

namespace {

constexpr std::uint32_t collector_header = 16;
constexpr std::uint32_t most_basic_size = 1 << 16;
constexpr std::uint32_t most_item_size = 1 << 12;
constexpr std::size_t most_type_name_bytes = 120;
constexpr unsigned most_bases = 32;
constexpr std::size_t type_bytes = 296; ///< as far as anything is read

bool is_printable(char byte) {
  const auto code = static_cast<unsigned char>(byte);
  return code > ' ' && code != 0x7f;
}

/// Of type tp_name: up to its end, at most most_type_name_bytes. Empty when it is none.
std::string read_name(const ProcessMemory& memory, std::uint64_t address) {
  constexpr std::uint64_t page = 4096;
  std::array<char, most_type_name_bytes> text{};
  // Not past the page, which may be the last one that is there.
  const std::size_t first = std::min<std::uint64_t>(text.size(), page - address % page);
  if (!memory.read(address, text.data(), first))
    return "";
  auto end = std::find(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(first), '\0');
  if (end == text.begin() + static_cast<std::ptrdiff_t>(first) && first < text.size() &&
      memory.read(address + first, text.data() + first, text.size() - first))
    end = std::find(text.begin(), text.end(), '\0');
  if (end == text.end() || !std::all_of(text.begin(), end, is_printable))
    return "";
  return {text.begin(), end};
}

} // namespace

std::uint32_t ObjectType::header_bytes(const ObjectLayout& layout) const {
  std::uint32_t bytes = has(type_flag::collected) ? collector_header : 0;
  if (layout.version >= PythonVersion{3, 11} &&
      has(type_flag::managed_dict |
          (layout.version >= PythonVersion{3, 12} ? type_flag::managed_weakref : std::uint64_t{0})))
    bytes += 16;
  return bytes;
}

ObjectTypes::ObjectTypes(const ProcessMemory& memory)
    : memory_(memory), slots_(std::size_t{1} << slot_bits) {}

void ObjectTypes::look_again() {
  std::fill(slots_.begin(), slots_.end(), Slot{});
  looked_at_.clear();
  metatypes_.clear();
}

void ObjectTypes::look_up(std::uint64_t address, Slot& slot) {
  // Reading a type reads its bases, which may come into the same slot.
  const TypeNumber number = number_of(address);
  slot = {address, number};
}

TypeNumber ObjectTypes::number_of(std::uint64_t address) {
  if (looked_at_.contains(address))
    return by_address_.at(address);
  auto type = read(address);
  if (!type)
    return none;
  looked_at_.insert(address);
  // Of a type that is gone there are no objects: one that was made in its place takes its number.
  const auto [known, is_new] =
      by_address_.try_emplace(address, static_cast<TypeNumber>(types_.size()));
  if (is_new)
    types_.push_back(std::move(*type));
  else
    types_[known->second] = std::move(*type);
  return known->second;
}

/// A type's type is a type; at the end of the chain is the one that is its own.
bool ObjectTypes::is_metatype(std::uint64_t address) {
  constexpr unsigned most_steps = 8;
  std::vector<std::uint64_t> chain;
  for (unsigned step = 0; step < most_steps; step++) {
    if (std::find(metatypes_.begin(), metatypes_.end(), address) != metatypes_.end())
      break;
    chain.push_back(address);
    const auto type = memory_.get<std::uint64_t>(address + object_at::type);
    const auto flags = memory_.get<std::uint64_t>(address + object_at::type_flags);
    if (!type || !flags || (*flags & type_flag::type_subclass) == 0 || step + 1 == most_steps)
      return false;
    if (*type == address) {
      const auto name = memory_.get<std::uint64_t>(address + object_at::type_name);
      if (!name || read_name(memory_, *name) != "type")
        return false;
      break;
    }
    address = *type;
  }
  metatypes_.insert(metatypes_.end(), chain.begin(), chain.end());
  return true;
}

ObjectShape ObjectTypes::shape_of(const ObjectType& type, std::uint64_t base) {
  if (type.has(type_flag::dict_subclass))
    return ObjectShape::dict;
  if (type.has(type_flag::list_subclass))
    return ObjectShape::list;
  if (type.has(type_flag::tuple_subclass))
    return ObjectShape::tuple;
  if (type.has(type_flag::type_subclass))
    return ObjectShape::type;
  if (type.has(type_flag::str_subclass | type_flag::bytes_subclass | type_flag::int_subclass))
    return ObjectShape::text;
  struct Named {
    std::string_view name;
    ObjectShape shape;
  };
  static constexpr std::array<Named, 20> named{
      {{"set", ObjectShape::set},
       {"frozenset", ObjectShape::set},
       {"collections.deque", ObjectShape::deque},
       {"bytearray", ObjectShape::bytearray},
       {"array.array", ObjectShape::array},
       {"_io.BytesIO", ObjectShape::bytes_io},
       {"module", ObjectShape::module},
       {"function", ObjectShape::function},
       {"cell", ObjectShape::cell},
       {"generator", ObjectShape::generator},
       {"coroutine", ObjectShape::generator},
       {"async_generator", ObjectShape::generator},
       {"frame", ObjectShape::frame},
       {"code", ObjectShape::code},
       {"weakref", ObjectShape::weak_reference},
       {"weakref.ReferenceType", ObjectShape::weak_reference},
       {"weakproxy", ObjectShape::weak_reference},
       {"weakref.ProxyType", ObjectShape::weak_reference},
       {"weakcallableproxy", ObjectShape::weak_reference},
       {"float", ObjectShape::text}}};
  // A class of a program may have any name, but not be static and have it, nor with its module's.
  for (const Named& each : named)
    if (type.name == each.name &&
        !(type.has(type_flag::heap_type) && each.name.find('.') == std::string_view::npos))
      return each.shape;
  return inherited_shape(base);
}

ObjectShape ObjectTypes::inherited_shape(std::uint64_t base) {
  if (base == 0 || depth_ >= most_bases)
    return ObjectShape::other;
  depth_++;
  const auto number = find(base);
  depth_--;
  return number ? types_[*number].shape : ObjectShape::other;
}

std::optional<ObjectType> ObjectTypes::read(std::uint64_t address) {
  constexpr std::uint64_t highest = 1ULL << 47;
  std::array<std::uint8_t, type_bytes> bytes{};
  if (address == 0 || address % 8 != 0 || address >= highest ||
      !memory_.read(address, bytes.data(), bytes.size()))
    return std::nullopt;
  ObjectType type;
  type.address = address;
  type.flags = field<std::uint64_t>(bytes, object_at::type_flags);
  const auto basic = field<std::int64_t>(bytes, object_at::type_basic_size);
  const auto item = field<std::int64_t>(bytes, object_at::type_item_size);
  if (!type.has(type_flag::ready) || basic < 16 || basic > most_basic_size || item < 0 ||
      item > most_item_size || !is_metatype(field<std::uint64_t>(bytes, object_at::type)))
    return std::nullopt;
  type.name = read_name(memory_, field<std::uint64_t>(bytes, object_at::type_name));
  if (type.name.empty())
    return std::nullopt;
  type.basic_size = static_cast<std::uint32_t>(basic);
  type.item_size = static_cast<std::uint32_t>(item);
  type.dict_offset =
      static_cast<std::int32_t>(field<std::int64_t>(bytes, object_at::type_dict_offset));
  type.shape = shape_of(type, field<std::uint64_t>(bytes, object_at::type_base));
  return type;
}

} // namespace leakbpf
