// SPDX-License-Identifier: Apache-2.0
// What the JSON documents share: values that may be unknown, frames, verdicts.
#pragma once

#include "core/report.h"

#include <string>
#include <unordered_map>

#include <nlohmann/json.hpp>

namespace leakbpf {

using OutputJson = nlohmann::ordered_json; // keys in the order of the schema

/// Unknown is null.
template <class T> [[nodiscard]] OutputJson known(const std::optional<T>& value) {
  return value ? OutputJson(*value) : OutputJson(nullptr);
}
[[nodiscard]] inline OutputJson known(const std::string& text) {
  return text.empty() ? OutputJson(nullptr) : OutputJson(text);
}

/// One line of printable UTF-8. Characters that are not printable are written by their numbers
/// ("\u202e"), bytes that are no UTF-8 become U+FFFD; numbers that are not finite, null.
[[nodiscard]] std::string json_text(const OutputJson& json);

[[nodiscard]] OutputJson severity_json(const std::optional<Severity>& severity);

/// The target's verdict; a long pause of its garbage collector is one of the reasons.
[[nodiscard]] OutputJson target_verdict_json(const TargetReport& target);

[[nodiscard]] OutputJson frame_json(const Frame& frame);

/// The frames of stacks as JSON, a frame a line. A frame that many stacks share is rendered once:
/// all stacks live as long as this does.
class FrameLists {
public:
  /// Appends `"culprit":N,"frames":[...]`. The culprit's frame has the text of its line, `source`,
  /// unless that is empty. A stack without frames has no culprit.
  void append(std::string& out, const Frames& frames, std::size_t culprit,
              const std::string& source);

private:
  const std::string& text_of(const FrameRef& frame);

  std::unordered_map<const Frame*, std::string> texts_;
};

} // namespace leakbpf
