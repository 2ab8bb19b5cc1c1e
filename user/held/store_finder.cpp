// SPDX-License-Identifier: Apache-2.0
#include "held/store_finder.h"

#include "core/python_file.h"
#include "held/bytecode.h"
#include "held/store_walk.h"
#include "python/line_table.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace leakbpf {

namespace {

constexpr std::size_t most_names = 4096;
constexpr unsigned most_nesting = 16;
constexpr std::uint64_t most_bytecode = 1 << 20;

} // namespace

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
  auto stores = find_stores(reader_, opcodes_, target,
                            {code.names, code.locals, code.cells, code.constants}, bytes);
  if (stores.empty())
    return;
  const auto object = read_dead_code_object(reader_.memory(), layout_, code.address);
  if (!object)
    return;
  for (FoundStore& each : stores)
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
