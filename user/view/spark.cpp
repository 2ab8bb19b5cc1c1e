// SPDX-License-Identifier: Apache-2.0
#include "view/spark.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace leakbpf {

namespace {

using Bars = std::array<std::string_view, 9>;
constexpr Bars block_bars{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr Bars ascii_bars{" ", "_", ".", "-", "-", "=", "=", "#", "#"};
constexpr std::size_t full = 8; ///< eighths of a bar

/// One value for each column: of several the last, as a sawtooth's teeth are no less than its
/// valleys. Fewer stay as they are.
std::vector<double> in_columns(const std::vector<double>& values, std::size_t columns) {
  if (values.size() <= columns)
    return values;
  std::vector<double> chosen(columns);
  for (std::size_t i = 0; i < columns; i++)
    chosen[i] = values[(i + 1) * values.size() / columns - 1];
  return chosen;
}

std::vector<double> filling(const std::vector<double>& values, std::size_t columns) {
  std::vector<double> wide(values.empty() ? 0 : columns);
  for (std::size_t i = 0; i < wide.size(); i++)
    wide[i] = values[i * values.size() / columns];
  return wide;
}

std::size_t eighths(double share, std::size_t most) {
  const double wanted = std::round(share * static_cast<double>(most));
  return static_cast<std::size_t>(std::clamp(wanted, 0.0, static_cast<double>(most)));
}

} // namespace

std::string sparkline(const std::vector<double>& values, std::size_t columns, bool ascii) {
  const Bars& bars = ascii ? ascii_bars : block_bars;
  const std::vector<double> chosen = in_columns(values, columns);
  std::string text(columns - chosen.size(), ' ');
  if (chosen.empty())
    return text;
  const auto [least, most] = std::minmax_element(chosen.begin(), chosen.end());
  const double span = *most - *least;
  for (const double value : chosen) // what does not change is a flat line at the bottom
    text += bars.at(1 + (span > 0 ? eighths((value - *least) / span, full - 1) : 0));
  return text;
}

std::vector<std::string> plot(const std::vector<double>& values, std::size_t columns,
                              std::size_t rows, bool ascii) {
  const Bars& bars = ascii ? ascii_bars : block_bars;
  const std::vector<double> chosen = filling(in_columns(values, columns), columns);
  double most = 0;
  for (const double value : chosen)
    most = std::max(most, value);
  std::vector<std::string> lines(rows, std::string(columns - chosen.size(), ' '));
  for (const double value : chosen) {
    const std::size_t height = most > 0 ? eighths(value / most, rows * full) : 0;
    for (std::size_t row = 0; row < rows; row++) {
      const std::size_t below = (rows - 1 - row) * full;
      lines[row] += bars.at(height > below ? std::min(height - below, full) : 0);
    }
  }
  return lines;
}

} // namespace leakbpf
