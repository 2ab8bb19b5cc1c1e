// SPDX-License-Identifier: Apache-2.0
#include "held/path_text.h"

#include <array>
#include <cctype>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr std::size_t most_key_bytes = 80;

std::string name_of(const ObjectReader& reader, std::uint64_t label) {
  return reader.text(label).value_or("?").substr(0, most_key_bytes);
}

/// A slot or member of a class, by its table of members (PyMemberDef).
std::string member_name(const ObjectReader& reader, const ObjectType& type, std::uint64_t offset) {
  constexpr std::size_t most_members = 256;
  constexpr std::uint64_t member_bytes = 40;
  constexpr std::uint64_t offset_at = 16;
  const ProcessMemory& memory = reader.memory();
  auto members = memory.get<std::uint64_t>(type.address + object_at::type_members);
  if (!members || *members == 0)
    return "";
  for (std::size_t i = 0; i < most_members; i++) {
    const std::uint64_t member = *members + i * member_bytes;
    const auto name = memory.get<std::uint64_t>(member);
    if (!name || *name == 0)
      return "";
    if (memory.get<std::uint64_t>(member + offset_at) != offset)
      continue;
    std::array<char, most_key_bytes> text{};
    std::size_t length = 0;
    while (length < text.size() && memory.read(*name + length, &text.at(length), 1) &&
           std::isprint(static_cast<unsigned char>(text.at(length))) != 0)
      length++;
    return {text.data(), length};
  }
  return "";
}

std::string step_text(const ObjectReader& reader, const PathStep& step, bool show_keys) {
  const auto holder = reader.type_of(step.holder);
  switch (step.kind) {
  case HoldKind::attribute:
    return "." + name_of(reader, step.label);
  case HoldKind::value:
    if (show_keys)
      if (const auto key = reader.text(step.label))
        return fmt::format("[\"{}\"]", key->substr(0, most_key_bytes));
    return "[*]";
  case HoldKind::subclasses:
    return ".__subclasses__()";
  case HoldKind::key:
    return ".keys()[*]";
  case HoldKind::item:
  case HoldKind::member:
    return "[*]";
  case HoldKind::local:
    return ".<locals>." + name_of(reader, step.label);
  case HoldKind::closure:
    return ".<closure>." + name_of(reader, step.label);
  case HoldKind::default_argument:
    return "(" + name_of(reader, step.label) + ")";
  case HoldKind::field: {
    const std::string name =
        holder ? field_name(reader, reader.type(*holder), step.label) : std::string();
    return name.empty() ? "" : "." + name;
  }
  case HoldKind::contents:
  case HoldKind::root:
    return "";
  }
  return "";
}

} // namespace

std::string field_name(const ObjectReader& reader, const ObjectType& type, std::uint64_t offset) {
  constexpr std::uint64_t cache_offset = 72; // lru_cache_object.cache
  if (type.name == "functools._lru_cache_wrapper")
    return offset == cache_offset ? "cache" : "";
  return member_name(reader, type, offset);
}

std::string path_text(const ObjectReader& reader, const RetainerPath& path, bool show_keys) {
  return path.root->name + steps_text(reader, path.steps, show_keys);
}

std::string steps_text(const ObjectReader& reader, std::span<const PathStep> steps,
                       bool show_keys) {
  std::string text;
  for (const PathStep& step : steps)
    text += step_text(reader, step, show_keys);
  return text;
}

} // namespace leakbpf
