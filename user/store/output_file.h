// SPDX-License-Identifier: Apache-2.0
// Writes a result whole or not at all.
#pragma once

#include <leakbpf/result.h>

#include <string>

namespace leakbpf {

/// Tells, before anything is traced, whether `path` will be writable. "" and "-" are stdout.
[[nodiscard]] Result<void> check_output(const std::string& path);

/// Puts `data` at `path`: into a file without a name that then takes the place of what is there, or
/// straight into stdout, a pipe or a device. On failure nothing is left behind. A file that is
/// replaced leaves its owner, group and permissions to the new one; a new one is its owner's alone.
/// Links are followed unless another user may have laid them (find_place). ExitCode::io.
[[nodiscard]] Result<void> write_output(const std::string& path, const std::string& data);

/// `path` as messages name it: "standard output" for "" and "-".
[[nodiscard]] std::string output_name(const std::string& path);

/// Says that `path` cannot be written, for the reason that the error number `error` stands for.
[[nodiscard]] Error output_error(const std::string& path, int error);

} // namespace leakbpf
