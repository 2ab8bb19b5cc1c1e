// SPDX-License-Identifier: Apache-2.0
#include "render/html_frames.h"

#include "core/culprit.h"
#include "core/python_file.h"
#include "render/html_page.h"
#include "render/markup.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// Text of bounded length: a template's name can have many thousands of characters.
std::string shown(const std::string& text) {
  return cut_text(clean_text(text), 1000);
}

std::string file_and_line(const Frame& frame) {
  if (frame.file.empty())
    return "";
  return frame.line == 0 ? frame.file : fmt::format("{}:{}", frame.file, frame.line);
}

} // namespace

std::string short_place(const Frame& frame) {
  if (frame.file.empty())
    return std::string(base_name(frame.module));
  const std::string_view file =
      frame.kind == FrameKind::python ? short_python_path(frame.file) : base_name(frame.file);
  return frame.line == 0 ? std::string(file) : fmt::format("{}:{}", file, frame.line);
}

OutputJson PageFrames::add(const Frames& frames) {
  OutputJson numbers = OutputJson::array();
  for (std::size_t i = 0; i < std::min(frames.size(), most_page_frames); i++) {
    const Frame& frame = frames[i];
    const std::uint32_t number = table_.number(frames[i]);
    if (number == list_.size()) // a new one
      list_.push_back({frame_kind_name(frame.kind), shown(frame_label(frame)),
                       shown(file_and_line(frame)), shown(frame.module), frame.inlined,
                       is_application(frame)});
    numbers.push_back(number);
  }
  return numbers;
}

} // namespace leakbpf
