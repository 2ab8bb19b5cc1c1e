// SPDX-License-Identifier: Apache-2.0
#include "held/element_make.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr std::size_t most_parts = 4;
constexpr std::size_t most_fields = 6;
constexpr std::size_t most_make_bytes = 60;
/// Of the elements that must be of one make for it to be told alone.
constexpr double most_of_them = 0.9;

std::string type_name(const ObjectReader& reader, std::uint64_t object) {
  const auto type = reader.type_of(object);
  return type ? reader.type(*type).name.substr(0, most_make_bytes) : "?";
}

bool is_identifier(const std::string& text) {
  return !text.empty() && text.size() <= most_make_bytes &&
         std::isdigit(static_cast<unsigned char>(text[0])) == 0 &&
         std::all_of(text.begin(), text.end(), [](char letter) {
           return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_';
         });
}

/// Names that a record's fields have, in order; empty: its keys are no such names.
std::vector<std::uint64_t> field_keys(const ObjectReader& reader, std::uint64_t dict) {
  constexpr std::size_t most_keys = 32;
  std::vector<std::uint64_t> keys;
  for (const Reference& each : reader.entries(dict, HoldKind::attribute, most_keys + 1))
    keys.push_back(each.label);
  return keys.size() > most_keys ? std::vector<std::uint64_t>() : keys;
}

std::string record_make(const ObjectReader& reader, std::uint64_t dict) {
  std::vector<std::string> fields;
  const auto entries = reader.entries(dict, HoldKind::attribute, most_fields + 1);
  for (const Reference& each : entries) {
    const auto name = reader.text(each.label);
    if (!name || !is_identifier(*name))
      return "dict";
    fields.push_back(*name + ": " + type_name(reader, each.to));
  }
  if (fields.size() > most_fields)
    fields.back() = "…";
  return fmt::format("dict{{{}}}", fmt::join(fields, ", "));
}

std::string sequence_make(const ObjectReader& reader, std::uint64_t object, TypeNumber number) {
  std::vector<std::string> parts;
  for (const Reference& each : reader.references(object, number, most_parts + 1))
    if (each.kind == HoldKind::item || each.kind == HoldKind::member)
      parts.push_back(type_name(reader, each.to));
  const std::string& name = reader.type(number).name;
  if (parts.empty())
    return name;
  const bool all_one = std::all_of(parts.begin(), parts.end(),
                                   [&](const std::string& part) { return part == parts.front(); });
  if (all_one && parts.size() > 1)
    parts.resize(1);
  else if (parts.size() > most_parts)
    parts.back() = "…";
  return fmt::format("{}[{}]", name, fmt::join(parts, ", "));
}

/// Do they all have the same keys, not only equal ones?
bool are_records(const ObjectReader& reader, std::span<const std::uint64_t> dicts) {
  std::set<std::vector<std::uint64_t>> makes;
  for (const std::uint64_t dict : dicts)
    makes.insert(field_keys(reader, dict));
  return dicts.size() > 1 && makes.size() == 1 && !makes.begin()->empty();
}

std::string make_of_type(const ObjectReader& reader, TypeNumber number,
                         std::span<const std::uint64_t> objects) {
  const ObjectType& type = reader.type(number);
  if (type.name == "dict")
    return are_records(reader, objects) ? record_make(reader, objects.back()) : "dict";
  if (type.name == "list" || type.name == "tuple")
    return sequence_make(reader, objects.back(), number);
  return type.name.substr(0, most_make_bytes);
}

} // namespace

std::string element_make(const ObjectReader& reader, std::span<const SampledElement> elements) {
  std::map<TypeNumber, std::vector<std::uint64_t>> by_type;
  std::size_t known = 0;
  for (const SampledElement& each : elements)
    if (const auto type = reader.type_of(each.value)) {
      by_type[*type].push_back(each.value);
      known++;
    }
  if (known == 0)
    return "";
  std::vector<std::pair<std::size_t, TypeNumber>> order;
  order.reserve(by_type.size());
  for (const auto& [type, objects] : by_type)
    order.emplace_back(objects.size(), type);
  std::sort(order.rbegin(), order.rend());
  const TypeNumber first = order.front().second;
  std::string make = make_of_type(reader, first, by_type[first]);
  if (order.size() == 1 ||
      static_cast<double>(order.front().first) >= most_of_them * static_cast<double>(known))
    return make;
  return make + " or " + (order.size() == 2 ? reader.type(order[1].second).name : "others");
}

} // namespace leakbpf
