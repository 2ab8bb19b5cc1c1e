// SPDX-License-Identifier: Apache-2.0
// By which name code gets at a container.
#pragma once

#include "held/object_reader.h"
#include "held/retainer_paths.h"

#include <cstdint>
#include <optional>
#include <string>

namespace leakbpf {

/// By which name code loads a container, and how many steps through nameless elements follow.
struct StoreTarget {
  std::uint64_t name = 0;        ///< address of the str; the interpreter has one of each name
  std::string text;              ///< the name, of a slot, for which no str is known
  bool filled_when_read = false; ///< a subscript that finds nothing puts something there
  bool called = false;           ///< it is a cache, which calls of its function fill
  HoldKind kind = HoldKind::attribute;
  bool global = false;   ///< of a module: other files name it through that
  std::string file;      ///< of that module
  unsigned elements = 0; ///< 1: what is in the container of this name, 2: what is in that
};

/// A container that code gets by a key that is written in it: account["listeners"]. Nothing when
/// no step of the path has such a key.
[[nodiscard]] std::optional<StoreTarget> key_target(const ObjectReader& reader,
                                                    const RetainerPath& path);

/// Nothing when no step of the path has a name.
[[nodiscard]] std::optional<StoreTarget> store_target(const ObjectReader& reader,
                                                      const RetainerPath& path);

} // namespace leakbpf
