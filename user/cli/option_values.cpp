// SPDX-License-Identifier: Apache-2.0
#include "cli/option_values.h"

#include "base/text.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace leakbpf {

namespace {

/// from_chars takes these words for numbers, too: nan, inf, -1.
bool begins_as_number(std::string_view text) {
  return !text.empty() && ((text.front() >= '0' && text.front() <= '9') || text.front() == '.');
}

/// All of `text` as a number; nothing when it is none, or too large for the type.
template <class T> std::optional<T> number(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (!begins_as_number(text) || error != std::errc() || stop != end)
    return std::nullopt;
  return value;
}

constexpr std::string_view unit_letters = "kmgtp";

/// How far a number is to be shifted for "K", "KB", "KiB"; nothing for a unit that is none.
std::optional<unsigned> unit_shift(const std::string& unit) {
  const std::string name = in_lower_case(unit);
  if (name.empty() || name == "b")
    return 0;
  const std::size_t at = unit_letters.find(name.front());
  const std::string rest = name.substr(1);
  if (at == std::string_view::npos || !(rest.empty() || rest == "b" || rest == "ib"))
    return std::nullopt;
  return static_cast<unsigned>(10 * (at + 1));
}

std::optional<std::uint64_t> size_number(const std::string& text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto value = number<std::uint64_t>(std::string_view(text).substr(0, digits));
  const auto shift = unit_shift(text.substr(digits));
  if (!value || !shift || *value > std::numeric_limits<std::uint64_t>::max() >> *shift)
    return std::nullopt;
  return *value << *shift;
}

} // namespace

Error refuse_value(const ValueForm& form, const std::string& text) {
  constexpr std::size_t most_shown = 40;
  std::string shown = text.empty() ? "\"\"" : text.substr(0, most_shown);
  if (text.size() > most_shown)
    shown += "...";
  return {ExitCode::usage, fmt::format("{} takes {}, not {}", form.option, form.takes, shown),
          "leakbpf --help lists the options"};
}

Result<double> decimal_value(const std::string& option, const std::string& what, double least,
                             double most, const std::string& text) {
  const auto value = number<double>(text);
  if (value && *value >= least && *value <= most)
    return *value;
  return refuse_value({option, fmt::format("{} from {:.15g} to {:.15g}", what, least, most)}, text);
}

Result<std::uint64_t> whole_value(const std::string& option, std::uint64_t least,
                                  std::uint64_t most, const std::string& text) {
  const auto value = number<std::uint64_t>(text);
  if (value && *value >= least && *value <= most)
    return *value;
  return refuse_value({option, fmt::format("a whole number from {} to {}", least, most)}, text);
}

Result<std::uint64_t> size_value(const std::string& option, std::uint64_t least, std::uint64_t most,
                                 const std::string& text) {
  const auto value = size_number(text);
  if (value && *value >= least && *value <= most)
    return *value;
  return refuse_value({option, fmt::format("a size from {} to {}, such as 4096, 16K or 4M",
                                           written_size(least), written_size(most))},
                      text);
}

Result<std::vector<pid_t>> pid_values(const std::string& option, const std::string& text) {
  constexpr const char* separators = ", \t\n";
  constexpr pid_t most = 1 << 22; // PID_MAX_LIMIT, linux/threads.h
  std::vector<pid_t> pids;
  std::size_t at = 0;
  while ((at = text.find_first_not_of(separators, at)) != std::string::npos) {
    const std::size_t end = std::min(text.find_first_of(separators, at), text.size());
    const std::string word = text.substr(at, end - at);
    const auto pid = number<pid_t>(word);
    if (!pid || *pid <= 0 || *pid > most)
      return refuse_value({option, fmt::format("PIDs from 1 to {}", most)}, word);
    pids.push_back(*pid);
    at = end;
  }
  return pids;
}

Result<std::size_t> word_index(const std::string& option, const std::vector<std::string>& words,
                               const std::string& text) {
  const auto found = std::find(words.begin(), words.end(), in_lower_case(text));
  if (found != words.end())
    return static_cast<std::size_t>(found - words.begin());
  return refuse_value({option, fmt::format("one of {}", fmt::join(words, ", "))}, text);
}

std::string written_size(std::uint64_t bytes) {
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit < unit_letters.size()) {
    bytes /= 1024;
    unit++;
  }
  if (unit == 0)
    return std::to_string(bytes);
  return fmt::format("{}{}", bytes, static_cast<char>(unit_letters[unit - 1] - 'a' + 'A'));
}

} // namespace leakbpf
