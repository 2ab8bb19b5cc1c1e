// SPDX-License-Identifier: Apache-2.0
// What an object of a live Python process refers to, and by which name or place.
#pragma once

#include "held/dict_table.h"
#include "held/object_types.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace leakbpf {

/// How one object holds another.
enum class HoldKind : std::uint8_t {
  root,
  attribute, ///< by a name: of a module, class, instance, slot
  value,     ///< of a dict, by a key
  key,       ///< it is a key of the dict
  item,      ///< of a list, tuple, deque
  member,    ///< of a set
  local,     ///< a variable of a frame
  closure,   ///< a variable that a function closed over
  default_argument,
  subclasses, ///< of a class
  contents,   ///< what a cell, or the dict of an object, stands for: no step of its own
  field,      ///< some word of an object whose make-up is not known
};

struct Reference {
  std::uint64_t to = 0;
  HoldKind kind = HoldKind::field;
  std::uint64_t label = 0; ///< address of a str; of an item its index; of a field its offset
};

/// One method for each kind of object that is read.
class ObjectReader {
public:
  ObjectReader(const ProcessMemory& memory, const ObjectLayout& layout, ObjectTypes& types)
      : memory_(memory), layout_(layout), types_(types) {}

  /// Nothing where no living object is.
  [[nodiscard]] std::optional<TypeNumber> type_of(std::uint64_t object) const;
  /// The same of each, with few system calls.
  [[nodiscard]] std::vector<std::optional<TypeNumber>>
  types_of(std::span<const Reference> references) const;
  [[nodiscard]] const ObjectType& type(TypeNumber number) const { return types_[number]; }
  /// At most `most` of a container's, the newest.
  [[nodiscard]] std::vector<Reference> references(std::uint64_t object, TypeNumber number,
                                                  std::size_t most) const;
  /// Of a dict.
  [[nodiscard]] std::vector<Reference> entries(std::uint64_t dict, HoldKind kind,
                                               std::size_t most) const;
  /// Variables of a frame: a PyFrameObject up to 3.10, then an _PyInterpreterFrame.
  [[nodiscard]] std::vector<Reference> locals(std::uint64_t frame) const;
  /// The code object that a frame runs; 0: none that makes sense.
  [[nodiscard]] std::uint64_t code_of_frame(std::uint64_t frame) const;
  /// The variables' place of a frame object, as locals() and code_of_frame() take it.
  [[nodiscard]] std::uint64_t frame_of_object(std::uint64_t frame_object) const;
  /// The frame of a generator or coroutine; 0: it has ended.
  [[nodiscard]] std::uint64_t frame_of_generator(std::uint64_t generator) const;
  [[nodiscard]] std::optional<std::string> text(std::uint64_t string) const;
  /// The items of a tuple, at most so many; none when it is no tuple.
  [[nodiscard]] std::vector<std::uint64_t> tuple(std::uint64_t address, std::size_t most) const;
  /// The word at an address; 0 where none can be read.
  [[nodiscard]] std::uint64_t word(std::uint64_t address) const {
    return memory_.get<std::uint64_t>(address).value_or(0);
  }
  [[nodiscard]] const ProcessMemory& memory() const { return memory_; }
  [[nodiscard]] const ObjectLayout& layout() const { return layout_; }

private:
  using References = std::vector<Reference>;
  [[nodiscard]] std::optional<TypeNumber> living_type(std::uint64_t count,
                                                      std::uint64_t type) const;
  void add(References& to, std::uint64_t object, HoldKind kind, std::uint64_t label = 0) const;
  void add_words(References& to, std::uint64_t from, std::size_t count, HoldKind kind) const;
  void add_list(References& to, std::uint64_t object, std::size_t most) const;
  void add_tuple(References& to, std::uint64_t object, std::size_t most) const;
  void add_set(References& to, std::uint64_t object, std::size_t most) const;
  void add_deque(References& to, std::uint64_t object, std::size_t most) const;
  void add_function(References& to, std::uint64_t object) const;
  void add_defaults(References& to, std::uint64_t function, std::uint64_t code) const;
  [[nodiscard]] std::vector<std::uint64_t> closed_over(std::uint64_t code) const;
  void add_attributes(References& to, std::uint64_t object, const ObjectType& type) const;
  void add_managed(References& to, std::uint64_t object, const ObjectType& type) const;
  void add_fields(References& to, std::uint64_t object, const ObjectType& type,
                  std::size_t most) const;
  void add_shared(References& to, const ObjectType& type, std::uint64_t values) const;

  const ProcessMemory& memory_;
  const ObjectLayout& layout_;
  ObjectTypes& types_;
};

} // namespace leakbpf
