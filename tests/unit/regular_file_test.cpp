// SPDX-License-Identifier: Apache-2.0
#include "base/regular_file.h"
#include "temporary_directory.h"

#include <cerrno>
#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <sys/stat.h>
#include <unistd.h>

using namespace leakbpf;
namespace fs = std::filesystem;

namespace {

std::string first_bytes(const Result<UniqueFd>& file) {
  char text[16] = "";
  if (!file || read(file->get(), text, sizeof(text) - 1) < 0)
    return "";
  return text;
}

} // namespace

TEST_CASE("only regular files are opened, and nothing makes us wait", "[files]") {
  const TemporaryDirectory folder;
  write_text(folder / "file", "text");
  REQUIRE(mkfifo((folder / "fifo").c_str(), 0600) == 0);
  fs::create_symlink("fifo", folder / "link");
  CHECK(first_bytes(open_regular(folder / "file")) == "text");
  for (const std::string& path :
       {folder / "fifo", folder / "link", folder.path(), std::string("/dev/zero")}) {
    INFO(path);
    const auto opened = open_regular(path);
    REQUIRE_FALSE(opened);
    CHECK(errno == EINVAL);
    CHECK(opened.error().message == "cannot open " + path + ": not a regular file");
  }
  CHECK_FALSE(open_regular(folder / "gone"));
  CHECK(errno == ENOENT);
}

TEST_CASE("what was opened is found again, whatever takes its path", "[files]") {
  const TemporaryDirectory folder;
  write_text(folder / "file", "text");
  const auto opened = open_regular(folder / "file");
  REQUIRE(opened);
  fs::remove(folder / "file");
  write_text(folder / "file", "another");
  CHECK(first_bytes(open_regular(descriptor_path(*opened))) == "text");
}

TEST_CASE("paths and links end at the root of the process that they belong to", "[files]") {
  const TemporaryDirectory folder;
  const std::string root = folder / "root";
  fs::create_directories(root + "/etc");
  write_text(folder / "secret", "outside");
  write_text(root + "/etc/file", "inside");
  fs::create_symlink(folder / "secret", root + "/absolute");
  fs::create_symlink("../secret", root + "/relative");
  fs::create_symlink("/etc/file", root + "/inner");
  fs::create_symlink("/proc/self/exe", root + "/magic");
  CHECK(first_bytes(open_regular_in(root, "/etc/file")) == "inside");
  CHECK(first_bytes(open_regular_in(root, "/inner")) == "inside");
  CHECK_FALSE(open_regular_in(root, "/absolute"));
  CHECK_FALSE(open_regular_in(root, "/relative"));
  CHECK_FALSE(open_regular_in(root, "/../secret"));
  CHECK_FALSE(open_regular_in(root, "/magic"));
  CHECK(first_bytes(open_regular_in("", folder / "secret")) == "outside");
}
