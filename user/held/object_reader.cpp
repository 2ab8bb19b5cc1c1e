// SPDX-License-Identifier: Apache-2.0
#include "held/object_reader.h"

#include "python/code_object.h"

#include <algorithm>
#include <array>

namespace leakbpf {

namespace {

constexpr std::uint64_t most_entries = 1ULL << 40;
constexpr std::size_t head_bytes = 16;
constexpr std::size_t most_locals = 1024;
constexpr std::size_t most_attributes = 4096;
constexpr std::size_t most_field_words = 256;
/// Of a set: a table of hash and key.
constexpr std::uint64_t set_entry_bytes = 16;
/// Of a deque: a block has 64 items between the links to its neighbours.
constexpr std::uint64_t deque_block_items = 64;
constexpr std::uint64_t deque_items_at = 8;
constexpr std::uint64_t deque_right_at = 520;

} // namespace

std::optional<TypeNumber> ObjectReader::type_of(std::uint64_t object) const {
  std::array<std::uint64_t, 2> head{};
  if (object == 0 || object % 8 != 0 || !memory_.read(object, head.data(), sizeof(head)))
    return std::nullopt;
  return living_type(head[0], head[1]);
}

std::vector<std::optional<TypeNumber>>
ObjectReader::types_of(std::span<const Reference> references) const {
  std::vector<ProcessMemory::Piece> pieces;
  pieces.reserve(references.size());
  for (const Reference& each : references)
    pieces.push_back({each.to, head_bytes});
  std::vector<std::optional<TypeNumber>> types(references.size());
  std::vector<std::uint64_t> words;
  for (std::size_t done = 0; done < pieces.size(); done++) { // past one that cannot be read
    const std::size_t got = memory_.read_pieces(std::span(pieces).subspan(done), words);
    for (std::size_t i = 0; i < got; i++)
      types[done + i] = living_type(words[i * 2], words[i * 2 + 1]);
    done += got;
  }
  return types;
}

std::optional<TypeNumber> ObjectReader::living_type(std::uint64_t count, std::uint64_t type) const {
  return layout_.reference_count(count) == 0 ? std::nullopt : types_.find(type);
}

std::optional<std::string> ObjectReader::text(std::uint64_t string) const {
  PythonLayout strings;
  strings.ascii_header = layout_.version < PythonVersion{3, 12} ? 48 : 40;
  strings.compact_header = layout_.version < PythonVersion{3, 12} ? 72 : 56;
  const auto number = type_of(string);
  if (!number || !types_[*number].has(type_flag::str_subclass))
    return std::nullopt;
  return read_string(memory_, strings, string);
}

void ObjectReader::add(References& to, std::uint64_t object, HoldKind kind,
                       std::uint64_t label) const {
  if (object != 0 && object % 8 == 0)
    to.push_back({object, kind, label});
}

void ObjectReader::add_words(References& to, std::uint64_t from, std::size_t count,
                             HoldKind kind) const {
  std::vector<std::uint64_t> words(count);
  if (count == 0 || !memory_.read(from, words.data(), count * sizeof(words[0])))
    return;
  for (std::size_t i = 0; i < count; i++)
    add(to, words[i], kind, i);
}

std::vector<Reference> ObjectReader::entries(std::uint64_t dict, HoldKind kind,
                                             std::size_t most) const {
  References found;
  const auto table = read_dict_table(memory_, layout_, dict);
  if (!table)
    return found;
  const std::uint64_t first = table->slots_used > most ? table->slots_used - most : 0;
  for (const DictEntry& entry : read_dict_entries(memory_, *table, first, most)) {
    add(found, entry.value, kind, entry.key);
    if (kind == HoldKind::value)
      add(found, entry.key, HoldKind::key);
  }
  return found;
}

void ObjectReader::add_list(References& to, std::uint64_t object, std::size_t most) const {
  const std::uint64_t size = word(object + object_at::size);
  const std::uint64_t items = word(object + object_at::list_items);
  if (size >= most_entries || items == 0)
    return;
  const std::uint64_t count = std::min<std::uint64_t>(size, most);
  add_words(to, items + (size - count) * sizeof(std::uint64_t), count, HoldKind::item);
}

void ObjectReader::add_tuple(References& to, std::uint64_t object, std::size_t most) const {
  const std::uint64_t size = word(object + object_at::size);
  add_words(to, object + layout_.tuple_items, std::min<std::uint64_t>(size, most), HoldKind::item);
}

void ObjectReader::add_set(References& to, std::uint64_t object, std::size_t most) const {
  const std::uint64_t slots = word(object + object_at::set_mask) + 1;
  const std::uint64_t table = word(object + object_at::set_table);
  if (slots >= most_entries || table == 0)
    return;
  std::vector<std::uint64_t> words(std::min<std::uint64_t>(slots, most) * 2);
  if (!memory_.read(table, words.data(), words.size() * sizeof(words[0])))
    return;
  for (std::size_t i = 0; i < words.size(); i += set_entry_bytes / sizeof(words[0]))
    add(to, words[i], HoldKind::member);
}

void ObjectReader::add_deque(References& to, std::uint64_t object, std::size_t most) const {
  std::uint64_t left = word(object + object_at::size);
  std::uint64_t block = word(object + object_at::deque_left_block);
  std::uint64_t index = word(object + object_at::deque_left_index);
  left = std::min<std::uint64_t>(left, most);
  while (left > 0 && block != 0 && index < deque_block_items) {
    const std::uint64_t count = std::min(left, deque_block_items - index);
    add_words(to, block + deque_items_at + index * sizeof(std::uint64_t), count, HoldKind::item);
    left -= count;
    index = 0;
    block = word(block + deque_right_at);
  }
}

/// Names of the variables that a function closed over, in the order of its closure.
std::vector<std::uint64_t> ObjectReader::closed_over(std::uint64_t code) const {
  constexpr std::uint32_t free_names = 80;       // PyCodeObject.co_freevars up to 3.10
  constexpr std::uint32_t free_count_after = 16; // co_nfreevars from 3.11 on
  if (layout_.version < PythonVersion{3, 11})
    return tuple(word(code + free_names), most_locals);
  std::vector<std::uint64_t> names = tuple(word(code + layout_.code_local_names), most_locals);
  const auto free =
      memory_.get<std::uint32_t>(code + layout_.code_local_count + free_count_after).value_or(0);
  if (free < names.size())
    names.erase(names.begin(), names.end() - free);
  return names;
}

std::vector<std::uint64_t> ObjectReader::tuple(std::uint64_t address, std::size_t most) const {
  const auto number = type_of(address);
  if (!number || types_[*number].shape != ObjectShape::tuple)
    return {};
  std::vector<std::uint64_t> items(std::min<std::uint64_t>(word(address + object_at::size), most));
  if (!items.empty() &&
      !memory_.read(address + layout_.tuple_items, items.data(), items.size() * sizeof(items[0])))
    return {};
  return items;
}

void ObjectReader::add_function(References& to, std::uint64_t object) const {
  const std::uint64_t code = word(object + layout_.function_code);
  const auto cells = tuple(word(object + layout_.function_closure), most_locals);
  const auto cell_names = cells.empty() ? std::vector<std::uint64_t>() : closed_over(code);
  for (std::size_t i = 0; i < cells.size(); i++)
    add(to, cells[i], HoldKind::closure, i < cell_names.size() ? cell_names[i] : 0);
  add_defaults(to, object, code);
  add(to, word(object + layout_.function_dict), HoldKind::contents);
}

/// The last parameters have the defaults.
void ObjectReader::add_defaults(References& to, std::uint64_t function, std::uint64_t code) const {
  const auto defaults = tuple(word(function + layout_.function_defaults), most_locals);
  if (!defaults.empty()) {
    const auto names = tuple(word(code + layout_.code_local_names), most_locals);
    const auto count = memory_.get<std::uint32_t>(code + layout_.code_argument_count).value_or(0);
    const std::size_t first = count >= defaults.size() ? count - defaults.size() : 0;
    for (std::size_t i = 0; i < defaults.size(); i++)
      add(to, defaults[i], HoldKind::default_argument,
          first + i < names.size() ? names[first + i] : 0);
  }
  const std::uint64_t by_keyword = word(function + layout_.function_keyword_defaults);
  if (by_keyword == 0)
    return;
  const References named = entries(by_keyword, HoldKind::default_argument, most_locals);
  to.insert(to.end(), named.begin(), named.end());
}

std::uint64_t ObjectReader::code_of_frame(std::uint64_t frame) const {
  const std::uint64_t code = word(frame + layout_.frame_code) & layout_.local_mask;
  const auto number = type_of(code);
  return number && types_[*number].shape == ObjectShape::code ? code : 0;
}

std::uint64_t ObjectReader::frame_of_object(std::uint64_t frame_object) const {
  constexpr std::uint64_t inner = 24; // PyFrameObject.f_frame, from 3.11 on
  return layout_.frame_in_generator ? word(frame_object + inner) : frame_object;
}

std::uint64_t ObjectReader::frame_of_generator(std::uint64_t generator) const {
  if (!layout_.frame_in_generator)
    return word(generator + layout_.generator_frame);
  // gi_frame_state, the last of four bytes before the frame, which is aligned to eight; what an
  // ended one has in its frame is stale.
  constexpr std::uint64_t state_before_frame = 5;
  constexpr std::int8_t executing = 0; // created and suspended ones have less
  const std::uint64_t frame = generator + layout_.generator_frame;
  const auto state = memory_.get<std::int8_t>(frame - state_before_frame);
  return state && *state <= executing ? frame : 0;
}

std::vector<Reference> ObjectReader::locals(std::uint64_t frame) const {
  References found;
  const std::uint64_t code = code_of_frame(frame);
  if (code == 0)
    return found;
  const auto count = memory_.get<std::uint32_t>(code + layout_.code_local_count).value_or(0);
  const std::uint64_t names = word(code + layout_.code_local_names);
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, most_locals); i++)
    add(found, word(frame + layout_.frame_locals + i * sizeof(i)) & layout_.local_mask,
        HoldKind::local, word(names + layout_.tuple_items + i * sizeof(i)));
  return found;
}

/// Values in an object, named by the keys that all objects of its class share.
void ObjectReader::add_shared(References& to, const ObjectType& type, std::uint64_t values) const {
  const std::uint64_t keys = word(type.address + layout_.cached_keys);
  const auto table = read_shared_keys(memory_, layout_, keys, values);
  if (!table)
    return;
  for (const DictEntry& entry : read_dict_entries(memory_, *table, 0, most_attributes))
    add(to, entry.value, HoldKind::attribute, entry.key);
}

/// From 3.11 on an object's attributes may be in no dict.
void ObjectReader::add_managed(References& to, std::uint64_t object, const ObjectType& type) const {
  const std::uint64_t dict = word(object - 24);
  if (layout_.version == PythonVersion{3, 12} && dict % 2 == 1) {
    add_shared(to, type, dict + 1);
    return;
  }
  if (layout_.version == PythonVersion{3, 11})
    if (const std::uint64_t values = word(object - 32); values != 0) {
      add_shared(to, type, values);
      return;
    }
  if (dict != 0) {
    const References attributes = entries(dict, HoldKind::attribute, most_attributes);
    to.insert(to.end(), attributes.begin(), attributes.end());
    return;
  }
  if (layout_.version >= PythonVersion{3, 13} && type.has(type_flag::inline_values))
    add_shared(to, type, object + type.basic_size + 8);
}

void ObjectReader::add_attributes(References& to, std::uint64_t object,
                                  const ObjectType& type) const {
  if (layout_.version >= PythonVersion{3, 11} && type.has(type_flag::managed_dict)) {
    add_managed(to, object, type);
    return;
  }
  if (type.dict_offset <= 0)
    return;
  const References attributes = entries(word(object + static_cast<std::uint64_t>(type.dict_offset)),
                                        HoldKind::attribute, most_attributes);
  to.insert(to.end(), attributes.begin(), attributes.end());
}

/// Any word of an object that could be a reference; the search asks whether it is.
void ObjectReader::add_fields(References& to, std::uint64_t object, const ObjectType& type,
                              std::size_t most) const {
  std::uint64_t end = type.basic_size;
  if (type.item_size != 0) {
    const auto items = static_cast<std::int64_t>(word(object + object_at::size));
    const auto count = static_cast<std::uint64_t>(items < 0 ? -items : items);
    end += std::min<std::uint64_t>(count, most) * type.item_size;
  }
  constexpr std::uint64_t begin = 16;
  if (end <= begin)
    return;
  std::vector<std::uint64_t> words(
      std::min<std::uint64_t>((end - begin) / sizeof(std::uint64_t), most_field_words));
  if (words.empty() || !memory_.read(object + begin, words.data(), words.size() * sizeof(words[0])))
    return;
  for (std::size_t i = 0; i < words.size(); i++)
    if (begin + i * sizeof(words[0]) != static_cast<std::uint64_t>(type.dict_offset))
      add(to, words[i], HoldKind::field, begin + i * sizeof(words[0]));
}

std::vector<Reference> ObjectReader::references(std::uint64_t object, TypeNumber number,
                                                std::size_t most) const {
  // Types are added while references are looked at.
  const ObjectType type = types_[number];
  References found;
  switch (type.shape) {
  case ObjectShape::dict:
    found = entries(object, HoldKind::value, most);
    break;
  case ObjectShape::list:
    add_list(found, object, most);
    break;
  case ObjectShape::tuple:
    add_tuple(found, object, most);
    break;
  case ObjectShape::set:
    add_set(found, object, most);
    break;
  case ObjectShape::deque:
    add_deque(found, object, most);
    break;
  case ObjectShape::type:
    found = entries(word(object + object_at::type_dict), HoldKind::attribute, most_attributes);
    add(found, word(object + object_at::type_subclasses), HoldKind::subclasses);
    return found;
  case ObjectShape::module:
    return entries(word(object + object_at::module_dict), HoldKind::attribute, most_attributes);
  case ObjectShape::function:
    add_function(found, object);
    return found;
  case ObjectShape::cell:
    add(found, word(object + object_at::cell_contents), HoldKind::contents);
    return found;
  case ObjectShape::generator:
    return locals(frame_of_generator(object));
  case ObjectShape::frame: {
    const std::uint64_t back = layout_.frame_in_generator ? 16 : 24; // PyFrameObject.f_back
    found = locals(frame_of_object(object));
    add(found, word(object + back), HoldKind::field, back);
    return found;
  }
  case ObjectShape::weak_reference: {
    // It holds nothing, but for a task there may be no other way that lasts.
    const std::uint64_t to = word(object + 16);
    if (const auto held = type_of(to); held && types_[*held].name == "_asyncio.Task")
      add(found, to, HoldKind::contents);
    return found;
  }
  case ObjectShape::text:
  case ObjectShape::bytearray:
  case ObjectShape::array:
  case ObjectShape::bytes_io:
  case ObjectShape::code:
    return found;
  case ObjectShape::other:
    add_fields(found, object, type, most);
    break;
  }
  add_attributes(found, object, type);
  return found;
}

} // namespace leakbpf
