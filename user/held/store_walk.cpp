// SPDX-License-Identifier: Apache-2.0
#include "held/store_walk.h"

#include "held/bytecode.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace leakbpf {

namespace {

/// Methods that put something into what they are called on.
constexpr std::array<std::string_view, 18> storing{
    "append",      "add",  "setdefault", "update",     "insert",     "extend",
    "appendleft",  "put",  "register",   "put_nowait", "connect",    "subscribe",
    "__setitem__", "push", "store",      "write",      "writelines", "frombytes"};
/// Methods that give an element.
constexpr std::array<std::string_view, 3> giving{"get", "setdefault", "__getitem__"};

template <std::size_t Size>
bool is_one_of(const std::array<std::string_view, Size>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// What is known of a place on the stack.
struct Value {
  enum class What : std::uint8_t { nothing, container, method, key } what = What::nothing;
  unsigned elements = 0; ///< steps from the container of the name
  bool stores = false;   ///< the method
  bool gives = false;
  bool hot = false;
  bool gives_by_key = false; ///< it may be a method that gives what is at a key
};

/// Follows one code object's instructions in the order in which they stand.
class StoreWalk {
public:
  StoreWalk(const ObjectReader& reader, const OpcodeTable& opcodes, const StoreTarget& target,
            const CodeNames& names)
      : reader_(reader), opcodes_(opcodes), layout_(reader.layout()), target_(target),
        names_(names.names), locals_(names.locals), cells_(names.cells),
        constants_(names.constants), variables_(names.locals.size()) {}

  std::vector<FoundStore> run(std::span<const std::uint8_t> code) {
    each_instruction(opcodes_, code,
                     [this](const Opcode& opcode, std::uint32_t argument, std::uint32_t at) {
                       step(opcode, argument, at);
                     });
    return std::move(found_);
  }

private:
  [[nodiscard]] bool since(std::uint32_t minor) const {
    return layout_.version >= PythonVersion{3, minor};
  }
  [[nodiscard]] bool is_name(std::span<const std::uint64_t> names, std::uint32_t index) const {
    return index < names.size() && names[index] == target_.name;
  }
  [[nodiscard]] Value& from_top(std::size_t below) {
    static_assert(most_depth > 8);
    if (stack_.size() <= below)
      stack_.insert(stack_.begin(), below + 1 - stack_.size(), Value{});
    return stack_[stack_.size() - 1 - below];
  }
  void push(Value value = {}) {
    if (stack_.size() < most_depth)
      stack_.push_back(value);
  }
  void pop(std::size_t count) { stack_.resize(stack_.size() - std::min(stack_.size(), count)); }
  [[nodiscard]] static Value container() {
    Value value;
    value.what = Value::What::container;
    return value;
  }
  [[nodiscard]] bool is_wanted(const Value& value) const {
    return value.what == Value::What::container && value.elements == target_.elements;
  }
  void tell(std::uint32_t at, std::string how, bool hot) {
    found_.push_back({at, std::move(how), hot});
  }

  void load_global(std::uint32_t argument) {
    const std::uint32_t index = *name_index(OpcodeKind::load_global, argument, layout_.version);
    const bool wanted = target_.kind == HoldKind::attribute && target_.global;
    if (since(11) && !since(13) && (argument & 1) != 0)
      push(); // NULL comes first
    push(wanted && is_name(names_, index) ? container() : Value{});
    if (since(13) && (argument & 1) != 0)
      push();
  }

  void load_attribute(const Opcode& opcode, std::uint32_t argument, std::uint32_t at, bool method) {
    const std::uint32_t index = *name_index(OpcodeKind::load_attribute, argument, layout_.version);
    const bool called = method || (since(12) && (argument & 1) != 0);
    Value& top = from_top(0);
    Value result;
    if (top.what == Value::What::container && index < names_.size())
      result = method_of(top, names_[index], opcode.specialized);
    else if (target_.kind == HoldKind::attribute && is_name(names_, index))
      result = container();
    else if (target_.kind == HoldKind::value && index < names_.size())
      result = giver(names_[index]);
    if (result.what == Value::What::method && result.stores && is_wanted(top))
      tell(at, reader_.text(names_[index]).value_or("?"), opcode.specialized);
    top = result;
    if (called)
      push();
  }

  /// A method of something that is not known, which may give what is at a key.
  [[nodiscard]] Value giver(std::uint64_t name) const {
    Value value;
    value.gives_by_key = is_one_of(giving, reader_.text(name).value_or(""));
    return value;
  }

  void load_constant(std::uint32_t index) {
    Value value;
    if (target_.kind == HoldKind::value && is_name(constants_, index))
      value.what = Value::What::key;
    push(value);
  }

  [[nodiscard]] Value method_of(const Value& of, std::uint64_t name, bool hot) const {
    const std::string text = reader_.text(name).value_or("");
    Value method = of;
    method.what = Value::What::method;
    method.stores = is_one_of(storing, text);
    method.gives = is_one_of(giving, text);
    method.hot = hot;
    return method;
  }

  [[nodiscard]] bool is_variable(std::span<const std::uint64_t> names, std::uint32_t index) const {
    return (target_.kind == HoldKind::local || target_.kind == HoldKind::closure ||
            target_.kind == HoldKind::default_argument) &&
           is_name(names, index);
  }

  void load_variable(std::uint32_t index) {
    const Value stored = index < variables_.size() ? variables_[index] : Value{};
    push(is_variable(locals_, index) ? container() : stored);
  }

  void store_variable(std::uint32_t index) {
    if (index < variables_.size())
      variables_[index] = from_top(0);
    pop(1);
  }

  /// A call, a subscript, what makes one value of several: a method that gives an element makes one
  /// of the container that it is of, and so does a subscript.
  void other(const Opcode& opcode, std::uint32_t argument, std::uint32_t at) {
    const int effect = opcode.effect_of(argument);
    Value result;
    if (effect <= 0) {
      const std::size_t consumed = static_cast<std::size_t>(-effect) + 1;
      result = by_key(consumed);
      for (std::size_t i = 0; i < consumed; i++) {
        const Value& value = from_top(i);
        const bool subscript = value.what == Value::What::container && consumed == 2 && i == 1;
        const bool call = value.what == Value::What::method && value.gives;
        if (subscript && target_.filled_when_read && is_wanted(value))
          tell(at, "[]", opcode.specialized);
        if (subscript || call) {
          result = value;
          result.what = Value::What::container;
          result.elements++;
        }
      }
      pop(consumed);
      push(result);
      return;
    }
    for (int i = 0; i < effect; i++)
      push();
  }

  /// What gathers the arguments of a call before it (PRECALL of 3.11) gets nothing yet: a key among
  /// them is handed on.
  void gather(std::size_t consumed) {
    Value result;
    for (std::size_t i = 0; i < consumed; i++)
      if (from_top(i).what == Value::What::key)
        result.what = Value::What::key;
    pop(consumed);
    push(result);
  }

  /// What is got by the key, if that is among what is consumed: by a subscript or by a method.
  [[nodiscard]] Value by_key(std::size_t consumed) {
    bool key = false;
    bool giver = false;
    for (std::size_t i = 0; i < consumed; i++) {
      key = key || from_top(i).what == Value::What::key;
      giver = giver || from_top(i).gives_by_key;
    }
    Value result;
    if (key && (giver || (consumed == 2 && from_top(0).what == Value::What::key)))
      return container();
    if (key)
      result.what = Value::What::key;
    return result;
  }

  void step(const Opcode& opcode, std::uint32_t argument, std::uint32_t at) {
    switch (opcode.kind) {
    case OpcodeKind::load_global:
      return load_global(argument);
    case OpcodeKind::load_attribute:
      return load_attribute(opcode, argument, at, false);
    case OpcodeKind::load_method:
      return load_attribute(opcode, argument, at, true);
    case OpcodeKind::load_constant:
      return load_constant(argument);
    case OpcodeKind::load_local:
      return load_variable(argument);
    case OpcodeKind::load_cell:
      return push(is_variable(cells_, argument) ? container() : Value{});
    case OpcodeKind::store_local:
      return store_variable(argument);
    case OpcodeKind::store_and_load:
      store_variable(argument >> 4);
      return load_variable(argument & 15);
    case OpcodeKind::store_two:
      store_variable(argument >> 4);
      return store_variable(argument & 15);
    case OpcodeKind::store_item:
      if (is_wanted(from_top(1)))
        tell(at, "[] =", opcode.specialized);
      return pop(3);
    case OpcodeKind::add_in_place:
      if (is_wanted(from_top(1)))
        tell(at, "+=", opcode.specialized);
      return other(opcode, argument, at);
    case OpcodeKind::binary: {
      constexpr std::uint32_t first_in_place = 13; // NB_INPLACE_ADD
      constexpr std::uint32_t subscript = 26;      // NB_SUBSCR, from 3.14 on
      if (argument >= first_in_place && argument < subscript && is_wanted(from_top(1)))
        tell(at, "+=", opcode.specialized);
      if (argument < subscript)
        from_top(1) = {};
      return other(opcode, argument, at);
    }
    case OpcodeKind::store_attribute:
      return pop(2);
    case OpcodeKind::store_global:
      return pop(1);
    case OpcodeKind::pops:
      return pop(static_cast<std::size_t>(std::max(-opcode.effect_of(argument), 0)));
    case OpcodeKind::shuffles:
      return stack_.clear();
    case OpcodeKind::extended_argument:
      return;
    case OpcodeKind::gathers:
      return gather(argument + std::size_t{1});
    case OpcodeKind::other:
      return other(opcode, argument, at);
    }
  }

  static constexpr std::size_t most_depth = 512;
  const ObjectReader& reader_;
  const OpcodeTable& opcodes_;
  const ObjectLayout& layout_;
  const StoreTarget& target_;
  std::span<const std::uint64_t> names_;
  std::span<const std::uint64_t> locals_;
  std::span<const std::uint64_t> cells_;
  std::span<const std::uint64_t> constants_;
  std::vector<Value> variables_;
  std::vector<Value> stack_;
  std::vector<FoundStore> found_;
};

} // namespace

std::vector<FoundStore> find_stores(const ObjectReader& reader, const OpcodeTable& opcodes,
                                    const StoreTarget& target, const CodeNames& names,
                                    std::span<const std::uint8_t> code) {
  return StoreWalk(reader, opcodes, target, names).run(code);
}

} // namespace leakbpf
