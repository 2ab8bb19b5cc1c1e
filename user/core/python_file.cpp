// SPDX-License-Identifier: Apache-2.0
#include "core/python_file.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace leakbpf {

namespace {

constexpr std::array<std::string_view, 2> package_directories{"/site-packages/", "/dist-packages/"};

/// Where the path goes on behind a packages' directory; npos: it has none.
std::size_t behind_packages(std::string_view path) {
  for (const std::string_view directory : package_directories)
    if (const std::size_t at = path.rfind(directory); at != std::string_view::npos)
      return at + directory.size();
  return std::string_view::npos;
}

/// Where the path goes on behind ".../lib/python3.11/"; npos: it is not there.
std::size_t behind_library(std::string_view path) {
  for (const std::string_view directory : {"/lib/python3.", "/lib64/python3."}) {
    std::size_t at = path.find(directory);
    if (at == std::string_view::npos)
      continue;
    at = path.find_first_not_of("0123456789t", at + directory.size());
    if (at != std::string_view::npos && path[at] == '/')
      return at + 1;
  }
  return std::string_view::npos;
}

/// "/usr/bin/uvicorn": the few lines that start what a package brings.
bool is_installed_command(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || path.substr(slash).find('.') != std::string_view::npos)
    return false;
  const std::string_view directory = path.substr(0, slash);
  return directory.ends_with("/bin") || directory.ends_with("/sbin");
}

} // namespace

PythonOwner owner_of(std::string_view path) {
  if (behind_packages(path) != std::string_view::npos || is_installed_command(path))
    return PythonOwner::package;
  if (path.starts_with("<frozen ") || behind_library(path) != std::string_view::npos)
    return PythonOwner::standard_library;
  return PythonOwner::application;
}

std::string_view short_python_path(std::string_view path) {
  if (const std::size_t at = behind_packages(path); at != std::string_view::npos)
    return path.substr(at);
  if (const std::size_t at = behind_library(path); at != std::string_view::npos)
    return path.substr(at);
  const std::size_t last = path.rfind('/');
  if (last == std::string_view::npos || last == 0)
    return path;
  const std::size_t before = path.rfind('/', last - 1);
  return before == std::string_view::npos ? path : path.substr(before + 1);
}

} // namespace leakbpf
