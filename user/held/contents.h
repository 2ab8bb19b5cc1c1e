// SPDX-License-Identifier: Apache-2.0
// What is in a container of a live Python process: of which make its elements are, and how many
// bytes they hold, from a sample of them.
#pragma once

#include "held/block_sizes.h"
#include "held/census.h"
#include "held/object_reader.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace leakbpf {

struct Contents {
  std::string make;           ///< "dict{session: str, blob: str}", "list[str, int]", "Session"
  double bytes = 0;           ///< of the container with all that it alone holds; about
  double bytes_per_entry = 0; ///< of the newest, with their part of the table; about
  std::vector<std::uint64_t> newest; ///< elements, for what is to be told of them
};

/// Elements hold what is reached from one of them alone, to a depth of 8; what many refer
/// to is nobody's.
[[nodiscard]] Contents measure_contents(const ObjectReader& reader, const HeapContainer& container);

/// Bytes of each of these objects of one type, on average, with what it alone leads to, but for
/// others of that type.
[[nodiscard]] double own_bytes(const ObjectReader& reader, std::span<const std::uint64_t> objects,
                               TypeNumber type);

} // namespace leakbpf
