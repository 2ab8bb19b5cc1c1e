// SPDX-License-Identifier: Apache-2.0
#include "in_child.h"
#include "output_checks.h"
#include "store/output_file.h"
#include "temporary_directory.h"

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;

TEST_CASE("data is written whole, and nothing else is left", "[output_file]") {
  const TemporaryDirectory folder;
  const std::string path = folder / "out.json";
  for (const std::string& data : {std::string("new"), std::string(), std::string(3 << 20, 'x')}) {
    CHECK(check_output(path));
    REQUIRE(write_output(path, data));
    CHECK(text_of(path) == data);
    CHECK(files_in(folder) == 1);
  }
}

TEST_CASE("an existing file is replaced, not written over", "[output_file]") {
  const TemporaryDirectory folder;
  const std::string path = folder / "out";
  write_text(path, "a longer text that was there before");
  fs::create_hard_link(path, folder / "other");
  REQUIRE(write_output(path, "new"));
  CHECK(text_of(path) == "new");
  CHECK(text_of(folder / "other") == "a longer text that was there before");
}

TEST_CASE("a new file is its owner's alone, and the umask may leave less", "[output_file]") {
  const TemporaryDirectory folder;
  for (const mode_t mask : {mode_t{022}, mode_t{0200}, mode_t{0}}) {
    fs::remove(folder / "out");
    const mode_t before = umask(mask);
    const auto written = write_output(folder / "out", "x");
    CHECK(umask(before) == mask);
    REQUIRE(written);
    CHECK(mode_of(folder / "out") == (0600 & ~mask));
  }
}

TEST_CASE("a missing folder is an error", "[output_file]") {
  const TemporaryDirectory folder;
  const std::string path = folder / "missing/out";
  check_io_error(check_output(path), path);
  check_io_error(write_output(path, "x"), path);
  CHECK(files_in(folder) == 0);
}

TEST_CASE("a folder is no output file", "[output_file]") {
  const TemporaryDirectory folder;
  for (const std::string& path : {folder / "sub", folder / "sub/"}) {
    fs::create_directory(folder / "sub");
    check_io_error(check_output(path), path);
    check_io_error(write_output(path, "x"), path);
    CHECK(files_in(folder) == 1);
    CHECK(fs::is_empty(folder / "sub"));
  }
}

TEST_CASE("a file as folder is an error", "[output_file]") {
  const TemporaryDirectory folder;
  write_text(folder / "file", "x");
  check_io_error(check_output(folder / "file/out"), folder / "file/out");
  check_io_error(write_output(folder / "file/out", "x"), folder / "file/out");
}

TEST_CASE("a device is written to as it is", "[output_file]") {
  CHECK(check_output("/dev/null"));
  CHECK(write_output("/dev/null", "x"));
  CHECK(fs::is_character_file("/dev/null"));
}

TEST_CASE("a full device is an error with a hint", "[output_file]") {
  if (!fs::exists("/dev/full"))
    SKIP("no /dev/full here");
  const auto written = write_output("/dev/full", "x");
  check_io_error(written, "/dev/full: No space left on device");
  CHECK_THAT(written.error().hint, ContainsSubstring("the disk is full"));
}

TEST_CASE("a folder that may not be written is an error", "[output_file]") {
  const TemporaryDirectory folder;
  REQUIRE(chmod(folder.path().c_str(), 0555) == 0);
  CHECK(as_ordinary_user([&] {
          const auto checked = check_output(folder / "out");
          const auto written = write_output(folder / "out", "x");
          return !checked && !written && written.error().code == ExitCode::io ? 0 : 1;
        }) == 0);
  REQUIRE(chmod(folder.path().c_str(), 0700) == 0);
}

TEST_CASE("a file that may not be written is an error before anything is traced", "[output_file]") {
  const TemporaryDirectory folder;
  REQUIRE(chmod(folder.path().c_str(), 0777) == 0);
  write_text(folder / "out", "x");
  REQUIRE(chmod((folder / "out").c_str(), 0444) == 0);
  CHECK(as_ordinary_user([&] {
          const auto checked = check_output(folder / "out");
          return !checked && checked.error().code == ExitCode::io ? 0 : 1;
        }) == 0);
}

TEST_CASE("a symbolic link stays one", "[output_file]") {
  const TemporaryDirectory folder;
  fs::create_symlink("real", folder / "link");
  REQUIRE(write_output(folder / "link", "x"));
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(fs::is_regular_file(folder / "real"));
}

/// As on a disk with room for `bytes` only.
int write_with_room_for(rlim_t bytes, const std::string& path, const std::string& data) {
  return in_child([&] {
    const rlimit limit{bytes, bytes};
    if (std::signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit) != 0)
      return 99;
    const auto written = write_output(path, data);
    return written ? 0 : static_cast<int>(written.error().code);
  });
}

TEST_CASE("a write that fails halfway leaves all as it was", "[output_file]") {
  const TemporaryDirectory folder;
  const std::string path = folder / "out";
  const std::string data(100'000, 'x');
  SECTION("with an old file") {
    write_text(path, "old");
    CHECK(write_with_room_for(4096, path, data) == static_cast<int>(ExitCode::io));
    CHECK(text_of(path) == "old");
    CHECK(files_in(folder) == 1);
  }
  SECTION("without") {
    CHECK(write_with_room_for(4096, path, data) == static_cast<int>(ExitCode::io));
    CHECK(files_in(folder) == 0);
  }
  SECTION("room enough") {
    CHECK(write_with_room_for(200'000, path, data) == 0);
    CHECK(text_of(path) == data);
  }
}

TEST_CASE("no name and a dash are standard output", "[output_file]") {
  const TemporaryDirectory folder;
  const std::string path = folder / "stdout";
  for (const std::string name : {"", "-"}) {
    CHECK(check_output(name));
    const int code = in_child([&] {
      if (!std::freopen(path.c_str(), "w", stdout))
        return 99;
      return write_output(name, "to standard output") ? 0 : 1;
    });
    CHECK(code == 0);
    CHECK(text_of(path) == "to standard output");
  }
}

TEST_CASE("a closed standard output is an error", "[output_file]") {
  const int code = in_child([] {
    close(STDOUT_FILENO);
    const auto written = write_output("-", "x");
    return written ? 0 : static_cast<int>(written.error().code);
  });
  CHECK(code == static_cast<int>(ExitCode::io));
}

} // namespace
} // namespace leakbpf
