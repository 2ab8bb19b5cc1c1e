// SPDX-License-Identifier: Apache-2.0
#include "held/store_finder.h"

#include "core/python_file.h"
#include "held/path_text.h"
#include "python/line_table.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string_view>
#include <utility>

namespace leakbpf {

namespace {

constexpr std::size_t most_names = 4096;
constexpr unsigned most_nesting = 16;
constexpr std::uint64_t most_bytecode = 1 << 20;

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

/// Calls `visit` with each instruction, its whole argument, and its place in bytes.
template <class Visit>
void each_instruction(const OpcodeTable& opcodes, std::span<const std::uint8_t> code,
                      Visit&& visit) {
  std::uint32_t argument = 0;
  for (std::size_t at = 0; at + 1 < code.size();) {
    const Opcode& opcode = opcodes.at(code[at]);
    argument = argument << 8 | code[at + 1];
    const auto here = static_cast<std::uint32_t>(at);
    at += 2 + std::size_t{2} * opcode.caches;
    if (opcode.kind == OpcodeKind::extended_argument)
      continue;
    visit(opcode, argument, here);
    argument = 0;
  }
}

/// Which of a code object's names an instruction loads.
std::optional<std::uint32_t> name_index(OpcodeKind kind, std::uint32_t argument,
                                        PythonVersion version) {
  if (kind == OpcodeKind::load_global)
    return version >= PythonVersion{3, 11} ? argument >> 1 : argument;
  if (kind == OpcodeKind::load_attribute || kind == OpcodeKind::load_method)
    return version >= PythonVersion{3, 12} ? argument >> 1 : argument;
  return std::nullopt;
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

} // namespace

namespace {

std::optional<StoreTarget> take_last_name(const ObjectReader& reader, const RetainerPath& path,
                                          StoreTarget target) {
  for (auto step = path.steps.rbegin(); step != path.steps.rend(); ++step) {
    switch (step->kind) {
    case HoldKind::value:
    case HoldKind::item:
    case HoldKind::member:
    case HoldKind::key:
      target.elements++;
      continue;
    case HoldKind::contents:
      continue;
    case HoldKind::field: {
      const auto holder = reader.type_of(step->holder);
      if (holder && reader.type(*holder).name == "functools._lru_cache_wrapper") {
        target.called = true;
        continue; // its function's name comes before
      }
      target.text = holder ? field_name(reader, reader.type(*holder), step->label) : "";
      if (target.text.empty())
        return std::nullopt;
      return target;
    }
    case HoldKind::root:
    case HoldKind::subclasses:
      return std::nullopt;
    case HoldKind::attribute:
    case HoldKind::local:
    case HoldKind::closure:
    case HoldKind::default_argument:
      target.name = step->label;
      target.kind = step->kind;
      target.global = std::next(step) == path.steps.rend();
      target.file = target.global && path.root ? path.root->file : "";
      return target;
    }
  }
  if (!path.root || path.root->variable == 0)
    return std::nullopt;
  target.name = path.root->variable;
  target.kind = HoldKind::local;
  return target;
}

} // namespace

namespace {

/// As programs have them; others are data.
bool is_word(const std::string& text) {
  constexpr std::size_t most = 60;
  return !text.empty() && text.size() <= most &&
         std::all_of(text.begin(), text.end(), [](char letter) {
           return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_';
         });
}

} // namespace

std::optional<StoreTarget> key_target(const ObjectReader& reader, const RetainerPath& path) {
  StoreTarget target;
  for (std::size_t i = path.steps.size(); i-- > 0;) {
    const PathStep& step = path.steps[i];
    if (step.kind == HoldKind::contents)
      continue;
    const bool element = step.kind == HoldKind::value || step.kind == HoldKind::item ||
                         step.kind == HoldKind::member || step.kind == HoldKind::key;
    if (!element)
      break;
    if (step.kind == HoldKind::value && is_word(reader.text(step.label).value_or(""))) {
      target.kind = HoldKind::value;
      target.name = step.label;
      return target;
    }
    target.elements++;
  }
  return std::nullopt;
}

std::optional<StoreTarget> store_target(const ObjectReader& reader, const RetainerPath& path) {
  StoreTarget target;
  if (path.steps.empty())
    return take_last_name(reader, path, target);
  const auto type = reader.type_of(path.steps.back().object);
  target.filled_when_read = type && reader.type(*type).name == "collections.defaultdict";
  return take_last_name(reader, path, target);
}

/// Follows one code object's instructions in the order in which they stand.
class StoreWalk {
public:
  StoreWalk(const ObjectReader& reader, const OpcodeTable& opcodes, const ObjectLayout& layout,
            const StoreTarget& target, std::span<const std::uint64_t> names,
            std::span<const std::uint64_t> locals, std::span<const std::uint64_t> cells,
            std::span<const std::uint64_t> constants)
      : reader_(reader), opcodes_(opcodes), layout_(layout), target_(target), names_(names),
        locals_(locals), cells_(cells), constants_(constants), variables_(locals.size()) {}

  struct Found {
    std::uint32_t instruction = 0;
    std::string how;
    bool hot = false;
  };

  std::vector<Found> run(std::span<const std::uint8_t> code) {
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
  std::vector<Found> found_;
};

std::vector<StoreSite> likely(std::vector<StoreSite> sites) {
  constexpr std::size_t most = 3;
  if (std::any_of(sites.begin(), sites.end(), [](const StoreSite& each) { return each.hot; }))
    std::erase_if(sites, [](const StoreSite& each) { return !each.hot; });
  return sites.size() > most ? std::vector<StoreSite>() : sites;
}

std::vector<std::uint64_t> StoreFinder::tuple(std::uint64_t address) const {
  return reader_.tuple(reader_.word(address), most_names);
}

void StoreFinder::add_function(std::uint64_t function) {
  const auto code = reader_.memory().get<std::uint64_t>(function + reader_.layout().function_code);
  if (code)
    add_code(*code, 0);
}

void StoreFinder::add_code(std::uint64_t code, unsigned depth) {
  const auto type = reader_.type_of(code);
  if (!type || reader_.type(*type).shape != ObjectShape::code || !known_.insert(code).second)
    return;
  const ObjectLayout& layout = reader_.layout();
  constexpr std::uint32_t free_names = 80; // up to 3.10
  constexpr std::uint32_t cell_names = 88;
  Code known{code,
             tuple(code + layout.code_names),
             tuple(code + layout.code_local_names),
             tuple(code + layout.code_constants),
             {}};
  if (layout.version < PythonVersion{3, 11}) {
    known.cells = tuple(code + cell_names);
    const auto free = tuple(code + free_names);
    known.cells.insert(known.cells.end(), free.begin(), free.end());
  } else {
    known.cells = known.locals;
  }
  codes_.push_back(std::move(known));
  if (depth >= most_nesting)
    return;
  const std::vector<std::uint64_t> constants = codes_.back().constants; // it may move
  for (const std::uint64_t constant : constants)
    add_code(constant, depth + 1);
}

std::vector<std::uint8_t> StoreFinder::bytecode(std::uint64_t code) const {
  constexpr std::uint32_t separate = 48;     // PyCodeObject.co_code up to 3.10, a bytes object
  constexpr std::uint32_t bytes_header = 32; // of that
  const bool inside = layout_.code_instructions != 0;
  const std::uint64_t holder = inside ? code : reader_.word(code + separate);
  const std::uint64_t size = reader_.word(holder + object_at::size);
  const std::uint64_t bytes = inside ? size * 2 : size;
  if (bytes > most_bytecode)
    return {};
  std::vector<std::uint8_t> read(bytes);
  if (!reader_.memory().read(holder + (inside ? layout_.code_instructions : bytes_header),
                             read.data(), read.size()))
    return {};
  return read;
}

StoreSite StoreFinder::site_at(std::uint64_t code, const CodeObject& object,
                               std::uint32_t instruction, std::string how, bool hot) const {
  const auto line = line_of(layout_.lines, object.line_table, object.first_line, instruction);
  return {code, instruction, object.file, object.function, line.value_or(0), std::move(how), hot};
}

void StoreFinder::look_into(const Code& code, const StoreTarget& target,
                            std::vector<StoreSite>& found) const {
  const std::vector<std::uint8_t> bytes = bytecode(code.address);
  auto stores = StoreWalk(reader_, opcodes_, reader_.layout(), target, code.names, code.locals,
                          code.cells, code.constants)
                    .run(bytes);
  if (stores.empty())
    return;
  const auto object = read_dead_code_object(reader_.memory(), layout_, code.address);
  if (!object)
    return;
  for (StoreWalk::Found& each : stores)
    found.push_back(
        site_at(code.address, *object, each.instruction, std::move(each.how), each.hot));
}

void StoreFinder::look_for_calls(const Code& code, std::uint64_t name,
                                 std::vector<StoreSite>& found) const {
  const auto object = read_dead_code_object(reader_.memory(), layout_, code.address);
  if (!object || owner_of(object->file) != PythonOwner::application)
    return;
  const std::vector<std::uint8_t> bytes = bytecode(code.address);
  each_instruction(
      opcodes_, bytes, [&](const Opcode& opcode, std::uint32_t argument, std::uint32_t at) {
        const auto index = name_index(opcode.kind, argument, layout_.version);
        if (index && *index < code.names.size() && code.names[*index] == name)
          found.push_back(site_at(code.address, *object, at, "call", opcode.specialized));
      });
}

namespace {

constexpr std::uint32_t none_assigned = ~0U;

/// Which variables an instruction assigns.
std::array<std::uint32_t, 2> assigned(OpcodeKind kind, std::uint32_t argument) {
  switch (kind) {
  case OpcodeKind::store_local:
    return {argument, none_assigned};
  case OpcodeKind::store_and_load:
    return {argument >> 4, none_assigned};
  case OpcodeKind::store_two:
    return {argument >> 4, argument & 15};
  default:
    return {none_assigned, none_assigned};
  }
}

} // namespace

std::vector<StoreSite> StoreFinder::find_assignments(std::uint64_t code,
                                                     std::uint64_t variable) const {
  std::vector<StoreSite> found;
  const auto object = read_dead_code_object(reader_.memory(), layout_, code);
  if (!object)
    return found;
  const std::vector<std::uint64_t> names = tuple(code + reader_.layout().code_local_names);
  const std::vector<std::uint8_t> bytes = bytecode(code);
  each_instruction(opcodes_, bytes,
                   [&](const Opcode& opcode, std::uint32_t argument, std::uint32_t at) {
                     for (const std::uint32_t index : assigned(opcode.kind, argument)) {
                       if (index < names.size() && names[index] == variable)
                         found.push_back(site_at(code, *object, at, "=", false));
                     }
                   });
  return found;
}

std::vector<std::uint64_t> StoreFinder::callers_in_file(std::uint64_t code) const {
  constexpr std::size_t most = 4;
  std::vector<std::uint64_t> callers;
  const auto name = reader_.memory().get<std::uint64_t>(code + layout_.code_name);
  const auto object = read_dead_code_object(reader_.memory(), layout_, code);
  if (!name || !object)
    return callers;
  for (const Code& each : codes_) {
    if (std::find(each.names.begin(), each.names.end(), *name) == each.names.end())
      continue;
    const auto other = read_dead_code_object(reader_.memory(), layout_, each.address);
    if (other && other->file == object->file && callers.size() < most)
      callers.push_back(each.address);
  }
  return callers;
}

std::vector<StoreSite> StoreFinder::find_calls_by(const std::string& name) const {
  const std::uint64_t text = name_with(name);
  return text == 0 ? std::vector<StoreSite>() : find_calls_of(text);
}

std::vector<StoreSite> StoreFinder::find_calls(std::uint64_t code) const {
  const auto name = reader_.memory().get<std::uint64_t>(code + layout_.code_name);
  if (!name || reader_.text(*name).value_or("__").starts_with("__"))
    return {};
  return find_calls_of(*name);
}

std::vector<StoreSite> StoreFinder::find_calls_of(std::uint64_t name) const {
  std::vector<StoreSite> found;
  for (const Code& each : codes_)
    if (std::find(each.names.begin(), each.names.end(), name) != each.names.end())
      look_for_calls(each, name, found);
  return found;
}

/// The str with this text that code loads names by; 0: there is none.
std::uint64_t StoreFinder::name_with(const std::string& text) const {
  std::unordered_set<std::uint64_t> looked_at;
  for (const Code& each : codes_)
    for (const std::uint64_t name : each.names)
      if (looked_at.insert(name).second && reader_.text(name) == text)
        return name;
  return 0;
}

std::vector<StoreSite> StoreFinder::find(const StoreTarget& wanted) const {
  std::vector<StoreSite> found;
  StoreTarget target = wanted;
  if (target.name == 0)
    target.name = name_with(target.text);
  if (target.name == 0)
    return found;
  const auto has = [&](const std::vector<std::uint64_t>& names) {
    return std::find(names.begin(), names.end(), target.name) != names.end();
  };
  const bool by_key = target.kind == HoldKind::value;
  for (const Code& code : codes_)
    if (by_key ? has(code.constants) : has(code.names) || has(code.locals) || has(code.cells))
      look_into(code, target, found);
  return found;
}

} // namespace leakbpf
