// SPDX-License-Identifier: Apache-2.0
// Reads the fields of foreign JSON. The first one that is wrong is remembered, with its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace leakbpf {

using InputJson = nlohmann::json;

/// Where a value stands. Refers to the places around it, which outlive it.
struct JsonPlace {
  const JsonPlace* outer = nullptr; ///< none: the document
  std::string_view key;
  std::optional<std::size_t> index; ///< in the list of that name

  /// As in "sites[17].frames[3].line".
  [[nodiscard]] std::string text() const;
};

/// The first thing that is wrong in a document.
class Problem {
public:
  /// `what` is what is to be said of the place: "is no number".
  void note(const JsonPlace& place, std::string_view what);
  [[nodiscard]] bool found() const { return !text_.empty(); }
  [[nodiscard]] const std::string& text() const { return text_; }

private:
  std::string text_;
};

// Each puts `json` into `value` and returns "", or says what is wrong with it.

[[nodiscard]] std::string_view convert(const InputJson& json, bool& value);
[[nodiscard]] std::string_view convert(const InputJson& json, std::string& value);
/// At most INT64_MAX, so that differences of two can be told.
[[nodiscard]] std::string_view convert(const InputJson& json, std::uint64_t& value);
[[nodiscard]] std::string_view convert(const InputJson& json, std::uint32_t& value);
/// A PID: not negative.
[[nodiscard]] std::string_view convert(const InputJson& json, std::int32_t& value);
/// Cut to ±1e18, so that it can be cast to an integer of 64 bits.
[[nodiscard]] std::string_view convert(const InputJson& json, double& value);

/// The members of one object.
class Fields {
public:
  /// Notes a problem when `json` is no object; then it has no members.
  Fields(const InputJson& json, const JsonPlace& place, Problem& problem);

  /// The member; null counts as missing.
  [[nodiscard]] const InputJson* find(std::string_view key) const;
  [[nodiscard]] JsonPlace at(std::string_view key) const { return {&place_, key, std::nullopt}; }
  void note(std::string_view key, std::string_view what) const { problem_.note(at(key), what); }
  [[nodiscard]] Problem& problem() const { return problem_; }

  /// A missing one leaves `value` as it is.
  template <class T> void read(std::string_view key, T& value) const {
    if (const InputJson* json = find(key))
      if (const std::string_view what = convert(*json, value); !what.empty())
        note(key, what);
  }
  template <class T> void read(std::string_view key, std::optional<T>& value) const {
    if (find(key) != nullptr)
      read(key, value.emplace());
  }
  template <class T> void read(std::string_view key, std::vector<T>& values) const {
    each(key, [&](const InputJson& json, const JsonPlace& place) {
      if (const std::string_view what = convert(json, values.emplace_back()); !what.empty())
        problem_.note(place, what);
    });
  }
  /// Seconds: not negative.
  template <class T> void read_time(std::string_view key, T& value) const {
    read(key, value);
    if (find(key) != nullptr && value < 0)
      note(key, "is negative");
  }
  /// Notes a problem when it is missing.
  template <class T> void require(std::string_view key, T& value) const {
    if (find(key) == nullptr)
      note(key, "is missing");
    read(key, value);
  }
  /// Calls take(element, place) for each element of a list.
  template <class Take> void each(std::string_view key, Take take) const {
    const InputJson* list = find(key);
    if (list == nullptr)
      return;
    if (!list->is_array())
      return note(key, "is no list");
    for (std::size_t i = 0; i < list->size() && !problem_.found(); i++)
      take((*list)[i], JsonPlace{&place_, key, i});
  }

private:
  const InputJson* object_ = nullptr;
  const JsonPlace& place_;
  Problem& problem_;
};

} // namespace leakbpf
