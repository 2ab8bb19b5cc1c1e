// SPDX-License-Identifier: Apache-2.0
// Packs and unpacks gzip data (RFC 1952) in memory.
#pragma once

#include <leakbpf/result.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace leakbpf {

/// One gzip member without name and time, so that equal data packs to equal bytes. `level` is 0
/// (stored) to 9 (smallest); others are taken for the nearest of these.
[[nodiscard]] std::string gzip(std::string_view data, int level = 6);

/// All members, one after the other. ExitCode::io when the data is damaged or cut off, when
/// something else follows it, or when it unpacks to more than `most_bytes`.
[[nodiscard]] Result<std::string> gunzip(std::string_view data, std::size_t most_bytes);

/// The data begins as gzip data does.
[[nodiscard]] bool is_gzip(std::string_view data);

} // namespace leakbpf
