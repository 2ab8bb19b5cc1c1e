// SPDX-License-Identifier: Apache-2.0
// The values that options take: numbers in a range, sizes, PIDs, words of a list. Each refusal is
// one sentence that names the option and what it takes.
#pragma once

#include <leakbpf/result.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace leakbpf {

/// "--interval" and "seconds from 0.05 to 86400", as a refusal says them.
struct ValueForm {
  std::string option;
  std::string takes;
};

/// Says what `form` takes, and what came instead.
[[nodiscard]] Error refuse_value(const ValueForm& form, const std::string& text);

/// A number in plain decimals, such as 10 or 0.25. `what` is what is counted: "seconds".
[[nodiscard]] Result<double> decimal_value(const std::string& option, const std::string& what,
                                           double least, double most, const std::string& text);

/// A whole number in plain decimals.
[[nodiscard]] Result<std::uint64_t> whole_value(const std::string& option, std::uint64_t least,
                                                std::uint64_t most, const std::string& text);

/// Bytes, or another number that is large: 4096, 16K, 4M, 1G, also as 16KB or 16KiB.
[[nodiscard]] Result<std::uint64_t> size_value(const std::string& option, std::uint64_t least,
                                               std::uint64_t most, const std::string& text);

/// The PIDs of "17", "17,18" or, from a quoted $(pgrep ...), "17 18" or a line each.
[[nodiscard]] Result<std::vector<pid_t>> pid_values(const std::string& option,
                                                    const std::string& text);

/// Which of `words` is meant, in any case: its index.
[[nodiscard]] Result<std::size_t> word_index(const std::string& option,
                                             const std::vector<std::string>& words,
                                             const std::string& text);

/// A number as it is written in a range: "86400", "0.05", "16K", "4M".
[[nodiscard]] std::string written_size(std::uint64_t bytes);

} // namespace leakbpf
