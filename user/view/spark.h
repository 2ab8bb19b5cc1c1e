// SPDX-License-Identifier: Apache-2.0
// Plots of text.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace leakbpf {

/// One row of bars, one for each column; the values are spread over them, the last one last. The
/// scale goes from the least value to the largest. Fewer values than columns stand at the right.
/// `ascii`: without UTF-8.
[[nodiscard]] std::string sparkline(const std::vector<double>& values, std::size_t columns,
                                    bool ascii);

/// `rows` rows of such bars, the upper one first. The scale begins at 0. Fewer values than columns
/// are as wide as it takes to fill them.
[[nodiscard]] std::vector<std::string> plot(const std::vector<double>& values, std::size_t columns,
                                            std::size_t rows, bool ascii);

} // namespace leakbpf
