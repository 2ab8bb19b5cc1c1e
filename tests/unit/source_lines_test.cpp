// SPDX-License-Identifier: Apache-2.0
#include "fake_proc.h"
#include "symbol/source_lines.h"

#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <sys/stat.h>

namespace leakbpf {
namespace {

TEST_CASE("source lines are read as the target sees its files", "[source]") {
  FakeProc proc;
  const ProcFs fs = proc.fs();
  SourceLines sources(fs);
  const std::string root = proc.path(7, "root");
  std::filesystem::create_directories(root + "/srv/shop");
  write_text(root + "/srv/shop/cart.py", "def remember(x):\n    items.append(x)  \n\n");
  CHECK(sources.text(7, "/srv/shop/cart.py", 2) == "items.append(x)");
  CHECK(sources.text(7, "/srv/shop/cart.py", 3).empty());
  CHECK(sources.text(7, "/srv/shop/cart.py", 9).empty());
  CHECK(sources.text(7, "/srv/shop/cart.py", 0).empty());
  CHECK(sources.text(7, "/srv/shop/none.py", 1).empty());
  CHECK(sources.text(7, "<string>", 1).empty());
  SECTION("a relative path counts from its directory") {
    std::filesystem::create_symlink("/srv/shop", proc.path(7, "cwd"));
    CHECK(sources.text(7, "cart.py", 1) == "def remember(x):");
  }
  SECTION("no link leads out of its root") {
    write_text(proc.path(7, "secret"), "ours\n");
    std::filesystem::create_symlink("../../../secret", root + "/srv/shop/up.py");
    std::filesystem::create_symlink(proc.path(7, "secret"), root + "/srv/shop/absolute.py");
    CHECK(sources.text(7, "/srv/shop/up.py", 1).empty());
    CHECK(sources.text(7, "/srv/shop/absolute.py", 1).empty());
    CHECK(sources.text(7, "/../secret", 1).empty());
  }
  SECTION("what is no file does not hold us") {
    REQUIRE(mkfifo((root + "/srv/shop/pipe.py").c_str(), 0600) == 0);
    CHECK(sources.text(7, "/srv/shop/pipe.py", 1).empty());
    CHECK(sources.text(7, "/srv/shop", 1).empty());
  }
  SECTION("a long line is cut between characters") {
    std::string line(199, 'x');
    line += "\u00e4\u00e4";
    write_text(root + "/long.py", line + "\n");
    CHECK(sources.text(7, "/long.py", 1) == std::string(199, 'x'));
  }
}

} // namespace
} // namespace leakbpf
