// SPDX-License-Identifier: Apache-2.0
// Writes a result whole or not at all.
#pragma once

#include <leakbpf/result.h>

#include <string>

namespace leakbpf {

/// Tells, before anything is traced, whether `path` will be writable. "" and "-" are stdout.
[[nodiscard]] Result<void> check_output(const std::string& path);

/// Puts `data` at `path`: into a temporary file beside it that then takes its place, or straight
/// into stdout, a pipe or a device. On failure nothing is left behind. ExitCode::io.
[[nodiscard]] Result<void> write_output(const std::string& path, const std::string& data);

/// The same for what only its owner may read, and what may be lost when the machine fails: it does
/// not wait for the disk. `path` is a file, not a link.
[[nodiscard]] Result<void> write_private(const std::string& path, const std::string& data);

} // namespace leakbpf
