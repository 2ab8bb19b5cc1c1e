// SPDX-License-Identifier: Apache-2.0
// Objects that refer to each other in a circle, and that nothing else refers to: what only the
// cycle collector can free.
#pragma once

#include "held/object_reader.h"

#include <cstdint>
#include <vector>

namespace leakbpf {

struct CycleStep {
  Reference reference;      ///< to the object
  std::uint64_t holder = 0; ///< that has it
};

/// The shortest way from `object` back to itself, if it is garbage: all references to it come from
/// objects that it leads to, and nothing else refers to any of those that lead back to it. Empty
/// when it is not, or when that cannot be told: it leads to more than some ten thousand objects.
///
/// The way of CPython's collector (subtract_refs and move_unreachable of Modules/gcmodule.c), for
/// one object: references from inside are taken off each object's count; what has some left, and
/// all that this leads to, lives.
[[nodiscard]] std::vector<CycleStep> find_dead_cycle(const ObjectReader& reader,
                                                     std::uint64_t object);

} // namespace leakbpf
