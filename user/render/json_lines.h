// SPDX-License-Identifier: Apache-2.0
// A JSON document written piece by piece, so that a large one never is a tree in memory.
#pragma once

#include "render/json_frame.h"

#include <string>
#include <string_view>
#include <utility>

namespace leakbpf {

/// One object, a member a line, and an element of a list a line.
class JsonLines {
public:
  explicit JsonLines(std::string_view schema) { member("schema", schema); }

  void member(std::string_view key, const OutputJson& value) { text_member(key, json_text(value)); }
  /// `value` is JSON already.
  void text_member(std::string_view key, std::string_view value) {
    begin_member(key);
    out_ += value;
  }
  /// `append(out, item)` adds the JSON text of an item to `out`.
  template <class Items, class Append>
  void list(std::string_view key, const Items& items, Append append) {
    begin_member(key);
    out_ += '[';
    bool first = true;
    for (const auto& item : items) {
      out_ += std::exchange(first, false) ? "\n  " : ",\n  ";
      append(out_, item);
    }
    out_ += ']';
  }
  [[nodiscard]] std::string finish() && { return std::move(out_) + "\n}\n"; }

private:
  /// `key` is one of the schema's own names: there is nothing to escape.
  void begin_member(std::string_view key) {
    out_ += out_.empty() ? "{\n \"" : ",\n \"";
    out_ += key;
    out_ += "\": ";
  }

  std::string out_;
};

/// Appends the object `json`, which has members, with more of them: `append_members(out)` adds
/// their text.
template <class AppendMembers>
void append_object(std::string& out, const OutputJson& json, AppendMembers append_members) {
  out += json_text(json);
  out.back() = ','; // was the closing brace
  append_members(out);
  out += '}';
}

} // namespace leakbpf
