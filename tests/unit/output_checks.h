// SPDX-License-Identifier: Apache-2.0
// What the tests of output files look at.
#pragma once

#include "temporary_directory.h"

#include <leakbpf/result.h>

#include <filesystem>
#include <iterator>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <sys/stat.h>

namespace leakbpf {

namespace fs = std::filesystem;

inline void check_io_error(const Result<void>& result, const std::string& path) {
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ExitCode::io);
  CHECK_THAT(result.error().message, Catch::Matchers::ContainsSubstring("cannot write " + path));
}

inline std::ptrdiff_t files_in(const TemporaryDirectory& folder) {
  return std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator());
}

inline mode_t mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

} // namespace leakbpf
