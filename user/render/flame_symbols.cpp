// SPDX-License-Identifier: Apache-2.0
#include "render/flame_symbols.h"

#include "core/culprit.h"
#include "render/markup.h"

namespace leakbpf {

namespace {

// A template's name can have thousands of characters, which no box and no tooltip has room for.
constexpr std::size_t most_columns = 300;

FlameKind kind_of(const Frame& frame) {
  switch (frame.kind) {
  case FrameKind::python:
    return is_application(frame) ? FlameKind::python : FlameKind::library;
  case FrameKind::kernel:
    return FlameKind::kernel;
  case FrameKind::note:
    return FlameKind::note;
  default:
    return is_application(frame) ? FlameKind::native : FlameKind::runtime;
  }
}

std::string file_or_module(const Frame& frame) {
  return frame.file.empty() ? frame.module : frame.file;
}

} // namespace

std::uint32_t FlameSymbols::intern(FlameKind kind, const std::string& label,
                                   const std::string& place) {
  const auto next = static_cast<std::uint32_t>(symbols_.size());
  // By the whole text: names that differ only far behind are different functions.
  const auto [entry, fresh] = index_.try_emplace(Key(kind, label, place), next);
  if (fresh)
    symbols_.push_back({kind, cut_text(clean_text(label), most_columns),
                        cut_text(clean_text(place), most_columns)});
  return entry->second;
}

std::uint32_t FlameSymbols::of(const FrameRef& frame) {
  const std::uint32_t number = frames_.number(frame);
  if (number == of_frame_.size()) // a new one
    of_frame_.push_back(intern(kind_of(*frame), frame_label(*frame), file_or_module(*frame)));
  return of_frame_[number];
}

std::uint32_t FlameSymbols::of(FlameKind kind, const std::string& label) {
  return intern(kind, label, "");
}

} // namespace leakbpf
