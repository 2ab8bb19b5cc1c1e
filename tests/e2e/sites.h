// SPDX-License-Identifier: Apache-2.0
// What tests ask of the sites of a snapshot.
#pragma once

#include <cstddef>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace leakbpf::e2e {

/// The culprit's function; empty: unknown.
std::string culprit_of(const nlohmann::json& site);

/// The first `count` sites of a snapshot in few words, one a line: for a message.
std::string first_sites(const nlohmann::json& snapshot, std::size_t count);

} // namespace leakbpf::e2e
