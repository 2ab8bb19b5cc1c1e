// SPDX-License-Identifier: Apache-2.0
#include "view/screen.h"

namespace leakbpf {

void ScreenLine::cut(std::size_t width) {
  std::size_t used = 0;
  for (std::size_t i = 0; i < spans_.size(); i++) {
    const std::string_view fitting = fit_columns(spans_[i].text, width - used);
    const bool whole = fitting.size() == spans_[i].text.size();
    used += text_columns(fitting);
    if (whole)
      continue;
    spans_[i].text.resize(fitting.size());
    spans_.resize(i + 1);
    return;
  }
}

std::string Screen::text() const {
  std::string all;
  for (const ScreenLine& line : lines) {
    std::string text = line.text();
    text.erase(text.find_last_not_of(' ') + 1);
    all += (line.selected ? ">" : "") + text + "\n";
  }
  return all;
}

} // namespace leakbpf
