// SPDX-License-Identifier: Apache-2.0
// Where an output file goes: through whose links, over whose files, with which owner and mode.
#include "in_child.h"
#include "output_checks.h"
#include "pipe.h"
#include "store/output_file.h"

#include <csignal>

#include <fcntl.h>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;

TEST_CASE("an existing file keeps its mode and owner", "[output_file]") {
  const TemporaryDirectory folder;
  const std::string path = folder / "out";
  for (const mode_t mode : {mode_t{0644}, mode_t{0600}, mode_t{0666}, mode_t{0640}}) {
    write_text(path, "old");
    REQUIRE(chmod(path.c_str(), mode) == 0);
    if (geteuid() == 0)
      REQUIRE(chown(path.c_str(), 1234, 4321) == 0);
    struct stat before {};
    REQUIRE(stat(path.c_str(), &before) == 0);
    REQUIRE(write_output(path, "new"));
    struct stat after {};
    REQUIRE(stat(path.c_str(), &after) == 0);
    CHECK(text_of(path) == "new");
    CHECK(after.st_mode == before.st_mode);
    CHECK(after.st_uid == before.st_uid);
    CHECK(after.st_gid == before.st_gid);
    CHECK(files_in(folder) == 1);
  }
}

TEST_CASE("a file whose owner cannot be kept is left as it was", "[output_file]") {
  if (geteuid() != 0)
    SKIP("giving a file to another user needs root");
  const TemporaryDirectory folder;
  REQUIRE(chmod(folder.path().c_str(), 0777) == 0);
  const std::string path = folder / "out";
  write_text(path, "old");
  REQUIRE(chmod(path.c_str(), 0666) == 0);
  REQUIRE(chown(path.c_str(), 1234, 1234) == 0);
  CHECK(as_ordinary_user([&] {
          const auto written = write_output(path, "new");
          return !written && written.error().message.find("user 1234") != std::string::npos ? 0 : 1;
        }) == 0);
  CHECK(text_of(path) == "old");
  CHECK(files_in(folder) == 1);
}

/// A folder such as /tmp, with a folder of root's beside it.
class SharedFolder {
public:
  SharedFolder() {
    REQUIRE(chmod(base_.path().c_str(), 0755) == 0);
    fs::create_directory(shared());
    REQUIRE(chmod(shared().c_str(), 01777) == 0);
    write_text(victim(), "precious");
    REQUIRE(chmod(victim().c_str(), 0600) == 0);
  }
  [[nodiscard]] std::string shared() const { return base_ / "shared"; }
  [[nodiscard]] std::string victim() const { return base_ / "victim"; }
  [[nodiscard]] std::string base() const { return base_.path(); }
  /// Makes the link someone else's.
  static void give_away(const std::string& path) { REQUIRE(lchown(path.c_str(), 1234, 1234) == 0); }
  void check_untouched() const {
    CHECK(text_of(victim()) == "precious");
    CHECK(mode_of(victim()) == 0600);
  }

private:
  TemporaryDirectory base_;
};

void check_refused(const std::string& path, const std::string& reason) {
  for (const auto& result : {check_output(path), write_output(path, "x")}) {
    check_io_error(result, path);
    CHECK_THAT(result.error().message, ContainsSubstring(reason));
    CHECK_THAT(result.error().message, ContainsSubstring("user 1234"));
  }
}

TEST_CASE("another user's link in a shared folder is not followed", "[output_file]") {
  if (geteuid() != 0)
    SKIP("giving a link to another user needs root");
  const SharedFolder folders;
  const std::string link = folders.shared() + "/x.json";
  SECTION("to a file") {
    fs::create_symlink(folders.victim(), link);
    SharedFolder::give_away(link);
    check_refused(link, "x.json on the way is a link");
  }
  SECTION("relative") {
    fs::create_symlink("../victim", link);
    SharedFolder::give_away(link);
    check_refused(link, "x.json on the way is a link");
  }
  SECTION("to what is not there") {
    fs::create_symlink(folders.base() + "/new", link);
    SharedFolder::give_away(link);
    check_refused(link, "x.json on the way is a link");
    CHECK_FALSE(fs::exists(folders.base() + "/new"));
  }
  SECTION("to a folder on the way") {
    fs::create_directory_symlink(folders.base(), folders.shared() + "/way");
    SharedFolder::give_away(folders.shared() + "/way");
    check_refused(folders.shared() + "/way/victim", "way on the way is a link");
    check_refused(folders.shared() + "/way/new", "way on the way is a link");
  }
  SECTION("behind a link of our own") {
    fs::create_symlink(folders.victim(), link);
    SharedFolder::give_away(link);
    fs::create_symlink(link, folders.base() + "/mine");
    check_refused(folders.base() + "/mine", "x.json on the way is a link");
  }
  folders.check_untouched();
}

TEST_CASE("another user's file in a shared folder is not replaced", "[output_file]") {
  if (geteuid() != 0)
    SKIP("giving a file to another user needs root");
  const SharedFolder folders;
  const std::string path = folders.shared() + "/x.json";
  SECTION("a regular one") {
    write_text(path, "theirs");
    SharedFolder::give_away(path);
    check_refused(path, "it belongs to user 1234");
    CHECK(text_of(path) == "theirs");
  }
  SECTION("a pipe") {
    REQUIRE(mkfifo(path.c_str(), 0666) == 0);
    SharedFolder::give_away(path);
    check_refused(path, "it belongs to user 1234");
  }
}

TEST_CASE("our own links and those of a folder's owner are followed", "[output_file]") {
  const SharedFolder folders;
  const std::string link = folders.shared() + "/x.json";
  fs::create_symlink(folders.victim(), link);
  REQUIRE(write_output(link, "new"));
  CHECK(fs::is_symlink(link));
  CHECK(text_of(folders.victim()) == "new");
  if (geteuid() != 0)
    return;
  fs::create_directory(folders.base() + "/plain"); // not for everybody: anyone's links
  fs::create_symlink("../victim", folders.base() + "/plain/x");
  SharedFolder::give_away(folders.base() + "/plain/x");
  CHECK(write_output(folders.base() + "/plain/x", "again"));
  REQUIRE(chown(folders.shared().c_str(), 1234, 1234) == 0);
  SharedFolder::give_away(link);
  CHECK(write_output(link, "the folder is theirs"));
  CHECK(text_of(folders.victim()) == "the folder is theirs");
}

TEST_CASE("paths are walked as the kernel walks them", "[output_file]") {
  const TemporaryDirectory folder;
  fs::create_directories(folder / "a/b");
  fs::create_directory_symlink("a/b", folder / "to_b");
  REQUIRE(write_output(folder / "to_b/.././/c", "x"));
  CHECK(text_of(folder / "a/c") == "x");
  REQUIRE(write_output(folder / "a/b/../../to_b/d", "y"));
  CHECK(text_of(folder / "a/b/d") == "y");
  fs::create_symlink("loop", folder / "loop");
  check_io_error(write_output(folder / "loop", "x"), folder / "loop");
  check_io_error(write_output(folder / "a/c/", "x"), folder / "a/c/");
  check_io_error(write_output(folder / "a/..", "x"), folder / "a/..");
  check_io_error(write_output("/", "x"), "/");
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  CHECK(write_output("relative", "z"));
  fs::create_symlink("a/new", "link");
  CHECK(write_output("link", "behind"));
  fs::current_path(before);
  CHECK(text_of(folder / "relative") == "z");
  CHECK(text_of(folder / "a/new") == "behind");
}

TEST_CASE("what is open already is written to, pipe or file", "[output_file]") {
  const TemporaryDirectory folder;
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  REQUIRE(write_output("/dev/fd/" + std::to_string(ends[1]), "by a descriptor"));
  std::array<char, 64> text{};
  CHECK(read(ends[0], text.data(), text.size()) == 15);
  close(ends[0]);
  close(ends[1]);
  const int file = open((folder / "file").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  CHECK(write_output("/proc/self/fd/" + std::to_string(file), "x"));
  close(file);
  CHECK(text_of(folder / "file") == "x");
}

TEST_CASE("whoever is killed while it writes leaves nothing", "[output_file]") {
  const TemporaryDirectory folder;
  const std::string data(64 << 20, 'x');
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  for (int i = 0; i < 20; i++) {
    const pid_t child = fork();
    if (child == 0) {
      (void)!write(ends[1], "x", 1);
      (void)!write_output(folder / "out", data);
      _exit(0);
    }
    char byte = 0;
    REQUIRE(read(ends[0], &byte, 1) == 1);
    usleep(static_cast<useconds_t>(i * 500));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    for (const auto& entry : fs::directory_iterator(folder.path()))
      CHECK(entry.path().filename() == "out");
    if (fs::exists(folder / "out"))
      CHECK(fs::file_size(folder / "out") == data.size());
  }
  close(ends[0]);
  close(ends[1]);
}

} // namespace
} // namespace leakbpf
