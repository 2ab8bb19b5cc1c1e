// SPDX-License-Identifier: Apache-2.0
// Whose code a Python source file is, told by its path.
#pragma once

#include <string>
#include <string_view>

namespace leakbpf {

enum class PythonOwner {
  application,
  package,          ///< below site-packages or dist-packages, or a command that a package installed
  standard_library, ///< and what is frozen into the interpreter
};

[[nodiscard]] PythonOwner owner_of(std::string_view path);

/// As much of the path as tells the file from others: what follows the directory of the packages or
/// of the standard library, else the last two parts.
[[nodiscard]] std::string_view short_python_path(std::string_view path);

} // namespace leakbpf
