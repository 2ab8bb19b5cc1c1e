// SPDX-License-Identifier: Apache-2.0
#include "held/store_target.h"

#include "held/path_text.h"

#include <algorithm>
#include <cctype>

namespace leakbpf {

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

} // namespace leakbpf
