// SPDX-License-Identifier: Apache-2.0
// The usual ways in which a container of Python's grows without end, told by what it is and holds,
// and what to do about each.
#pragma once

#include "core/held.h"
#include "held/contents.h"
#include "held/object_reader.h"
#include "held/retainer_paths.h"
#include "target/open_files.h"

#include <optional>
#include <string>

namespace leakbpf {

struct GrowthPattern {
  std::optional<HeldPattern> pattern;
  std::string fix;
  bool bounded = false;       ///< it says itself how large it may become: it fills up, and stays
  bool holds_nothing = false; ///< only weak references
};

/// `path` leads to the container; null: nobody knows.
[[nodiscard]] GrowthPattern growth_pattern(const ObjectReader& reader,
                                           const HeapContainer& container, const Contents& contents,
                                           const RetainerPath* path);

struct ConnectionEvidence {
  std::string note;
  std::string fix; ///< empty: what the pattern says
};

/// What a process's open files say of a container with so many connections.
[[nodiscard]] ConnectionEvidence connection_evidence(std::uint64_t entries, const OpenFiles& open);

} // namespace leakbpf
