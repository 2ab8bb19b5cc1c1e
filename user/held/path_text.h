// SPDX-License-Identifier: Apache-2.0
// A retainer path as a Python programmer would write it.
#pragma once

#include "held/object_reader.h"
#include "held/retainer_paths.h"

#include <span>
#include <string>

namespace leakbpf {

/// Such as "shop.seen", "shop.Session.registry", "shop.sessions[*].history". Keys of dicts are the
/// users' data: "[*]" stands for them unless `show_keys`.
[[nodiscard]] std::string path_text(const ObjectReader& reader, const RetainerPath& path,
                                    bool show_keys = false);

/// Steps of a path, without where it begins.
[[nodiscard]] std::string steps_text(const ObjectReader& reader, std::span<const PathStep> steps,
                                     bool show_keys = false);

/// The name of what the word at `offset` of an object of this type is: a slot's, a member's; empty
/// when nobody knows.
[[nodiscard]] std::string field_name(const ObjectReader& reader, const ObjectType& type,
                                     std::uint64_t offset);

} // namespace leakbpf
