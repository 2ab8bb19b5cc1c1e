// SPDX-License-Identifier: Apache-2.0
// Command lines as tests write them.
#pragma once

#include "cli/options.h"

#include <string>
#include <vector>

namespace leakbpf {

using Words = std::vector<std::string>;

inline Result<ParsedCommandLine> parse(const Words& words) {
  std::vector<const char*> arguments{"leakbpf"};
  for (const std::string& word : words)
    arguments.push_back(word.c_str());
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

inline std::string joined(const Words& words) {
  std::string text;
  for (const std::string& word : words)
    text += " " + word;
  return text;
}

} // namespace leakbpf
