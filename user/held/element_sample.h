// SPDX-License-Identifier: Apache-2.0
// Some elements of a container of a live Python process.
#pragma once

#include "held/census.h"
#include "held/object_reader.h"

#include <cstdint>
#include <vector>

namespace leakbpf {

struct SampledElement {
  std::uint64_t value = 0;
  std::uint64_t key = 0; ///< of a dict; else 0
};

/// The newest ones, as far as the container keeps an order; at most `most`.
[[nodiscard]] std::vector<SampledElement>
newest_elements(const ObjectReader& reader, const HeapContainer& container, std::size_t most);
/// Ones from all over it, the oldest first; at most `most`.
[[nodiscard]] std::vector<SampledElement>
spread_elements(const ObjectReader& reader, const HeapContainer& container, std::size_t most);

} // namespace leakbpf
