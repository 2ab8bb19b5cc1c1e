// SPDX-License-Identifier: Apache-2.0
// Of which make the elements of a container are, in a few words.
#pragma once

#include "held/element_sample.h"

#include <span>
#include <string>

namespace leakbpf {

/// Such as "str", "Session", "list[str, int]", "dict{session: str, items: list}". Keys of a dict
/// are told only where all of the elements have the very same ones, as text of the program has:
/// others are data. Empty when there is nothing to tell.
[[nodiscard]] std::string element_make(const ObjectReader& reader,
                                       std::span<const SampledElement> elements);

} // namespace leakbpf
