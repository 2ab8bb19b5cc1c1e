// SPDX-License-Identifier: Apache-2.0
#include "render/json_frame.h"

#include "base/escape.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// A character of a JSON string by its number, in two halves where it has more than 16 bits.
void append_number(std::string& out, std::uint32_t code) {
  constexpr std::uint32_t beyond = 0x10000;
  if (code < beyond)
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
  else
    fmt::format_to(std::back_inserter(out), "\\u{:04x}\\u{:04x}", 0xd800 + ((code - beyond) >> 10),
                   0xdc00 + ((code - beyond) & 0x3ff));
}

bool is_plain(unsigned char byte) {
  return (byte >= 0x20 && byte < 0x7f) || byte == '\n';
}

/// Only strings hold characters that are not printable: they mean the same by their numbers.
std::string with_numbers(std::string json) {
  if (std::all_of(json.begin(), json.end(), is_plain))
    return json;
  std::string out;
  out.reserve(json.size() + json.size() / 8);
  for (std::string_view rest = json; !rest.empty();) {
    const Character character = first_character(rest);
    if (character.printable || rest.front() == '\n')
      out += rest.substr(0, character.bytes);
    else
      append_number(out, character.code);
    rest.remove_prefix(character.bytes);
  }
  return out;
}

} // namespace

std::string json_text(const OutputJson& json) {
  return with_numbers(json.dump(-1, ' ', false, OutputJson::error_handler_t::replace));
}

OutputJson severity_json(const std::optional<Severity>& severity) {
  return severity ? OutputJson(severity_name(*severity)) : OutputJson(nullptr);
}

OutputJson target_verdict_json(const TargetReport& target) {
  std::vector<std::string> reasons = target.verdict.reasons;
  const std::string pause = long_pause(target);
  if (!pause.empty() && std::find(reasons.begin(), reasons.end(), pause) == reasons.end())
    reasons.push_back(pause);
  OutputJson json;
  json["severity"] = severity_json(target.verdict.severity);
  json["reasons"] = reasons;
  return json;
}

OutputJson frame_json(const Frame& frame) {
  OutputJson json;
  json["kind"] = frame_kind_name(frame.kind);
  json["function"] = known(frame.function);
  json["module"] = known(frame.module);
  json["build_id"] = known(frame.build_id);
  json["offset"] =
      frame.offset ? OutputJson(fmt::format("{:#x}", *frame.offset)) : OutputJson(nullptr);
  json["file"] = known(frame.file);
  json["line"] = frame.line ? OutputJson(frame.line) : OutputJson(nullptr);
  json["inlined"] = frame.inlined;
  if (frame.tail_call)
    json["tail_call"] = true;
  return json;
}

const std::string& FrameLists::text_of(const FrameRef& frame) {
  std::string& text = texts_[frame.id()];
  if (text.empty())
    text = json_text(frame_json(frame));
  return text;
}

void FrameLists::append(std::string& out, const Frames& frames, std::size_t culprit,
                        const std::string& source) {
  out += frames.empty() ? "\"culprit\":null" : fmt::format("\"culprit\":{}", culprit);
  out += ",\"frames\":[";
  for (std::size_t i = 0; i < frames.size(); i++) {
    out += i == 0 ? "\n   " : ",\n   ";
    if (i != culprit || source.empty()) {
      out += text_of(frames[i]);
      continue;
    }
    OutputJson json = frame_json(frames[i]);
    json["source"] = source;
    out += json_text(json);
  }
  out += ']';
}

} // namespace leakbpf
