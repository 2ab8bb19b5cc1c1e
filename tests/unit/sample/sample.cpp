// SPDX-License-Identifier: Apache-2.0
#include "sample.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

namespace sample {
namespace {

constexpr std::uint32_t line_of_target = __LINE__ + 1;
[[gnu::noinline]] void separate_target() {
  asm volatile("nop" : : : "memory");
}

} // namespace

const void* target() {
  separate_target();
  return reinterpret_cast<const void*>(&separate_target);
}

std::uint32_t target_line() {
  return line_of_target;
}

std::string source_file() {
  return __FILE__;
}

std::string busy(int number) {
  std::map<int, std::vector<std::string>> words;
  for (int i = 0; i < number; ++i) {
    std::ostringstream text;
    text << i << "th";
    words[i % 3].push_back(text.str());
  }
  for (auto& [key, list] : words)
    std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return b < a; });
  return words.empty() ? "" : words.begin()->second.front();
}

} // namespace sample
