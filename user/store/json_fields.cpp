// SPDX-License-Identifier: Apache-2.0
#include "store/json_fields.h"

#include <algorithm>
#include <limits>

namespace leakbpf {

namespace {

template <class T> std::string_view convert_whole(const InputJson& json, T& value) {
  if (!json.is_number())
    return "is not a number";
  if (json.is_number_float())
    return "is not a whole number, or is too large";
  if (!json.is_number_unsigned())
    return "is negative";
  constexpr std::uint64_t most = std::min<std::uint64_t>(std::numeric_limits<T>::max(),
                                                         std::numeric_limits<std::int64_t>::max());
  const auto number = json.get<std::uint64_t>();
  if (number > most)
    return "is too large";
  value = static_cast<T>(number);
  return "";
}

} // namespace

std::string JsonPlace::text() const {
  std::string text = outer != nullptr ? outer->text() : "";
  if (!text.empty())
    text += '.';
  text += key;
  if (index)
    text += '[' + std::to_string(*index) + ']';
  return text;
}

void Problem::note(const JsonPlace& place, std::string_view what) {
  if (text_.empty())
    text_ = place.text() + ' ' + std::string(what);
}

std::string_view convert(const InputJson& json, bool& value) {
  if (!json.is_boolean())
    return "is neither true nor false";
  value = json.get<bool>();
  return "";
}

std::string_view convert(const InputJson& json, std::string& value) {
  if (!json.is_string())
    return "is no text";
  value = json.get_ref<const std::string&>();
  return "";
}

std::string_view convert(const InputJson& json, std::uint64_t& value) {
  return convert_whole(json, value);
}

std::string_view convert(const InputJson& json, std::uint32_t& value) {
  return convert_whole(json, value);
}

std::string_view convert(const InputJson& json, std::int32_t& value) {
  return convert_whole(json, value);
}

std::string_view convert(const InputJson& json, double& value) {
  constexpr double most = 1e18;
  if (!json.is_number())
    return "is not a number";
  value = std::clamp(json.get<double>(), -most, most);
  return "";
}

Fields::Fields(const InputJson& json, const JsonPlace& place, Problem& problem)
    : place_(place), problem_(problem) {
  if (json.is_object())
    object_ = &json;
  else
    problem.note(place, "is not an object");
}

const InputJson* Fields::find(std::string_view key) const {
  if (object_ == nullptr)
    return nullptr;
  const auto member = object_->find(key);
  return member == object_->end() || member->is_null() ? nullptr : &*member;
}

} // namespace leakbpf
