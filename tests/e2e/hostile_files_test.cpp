// SPDX-License-Identifier: Apache-2.0
// Files that belong to the target, or that others can change, while leakbpf reads them.
#include "child.h"
#include "privileges.h"
#include "temporary_directory.h"

#include <filesystem>
#include <fstream>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

using namespace leakbpf::e2e;
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// A folder that anybody may write to, gone at the end.
class SharedFolder : public leakbpf::TemporaryDirectory {
public:
  SharedFolder() { REQUIRE(chmod(path().c_str(), 0777) == 0); }
};

/// The C++ library: megabytes of code and tables.
std::string large_library() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (const auto at = line.find('/');
        at != std::string::npos && line.find("libstdc++.so") != std::string::npos)
      return fs::canonical(line.substr(at)).string();
  SKIP("the C++ library is not a file of its own here");
  return "";
}

Finished snapshot_of(pid_t pid, const std::string& seconds, const std::string& output,
                     std::vector<std::string> before = {}) {
  before.insert(before.end(), {built("leakbpf"), "snapshot", "--exact", "-p", std::to_string(pid),
                               "-d", seconds, "-o", output});
  return run_program(before, 30);
}

Json read_json(const std::string& path) {
  std::ifstream file(path);
  return Json::parse(file, nullptr, false);
}

/// Some row's stack has this function.
bool has_function(const Json& snapshot, const std::string& name) {
  for (const Json& site : snapshot.at("sites"))
    for (const Json& frame : site.at("frames"))
      if (frame.at("function").is_string() &&
          frame.at("function").get<std::string>().find(name) != std::string::npos)
        return true;
  return false;
}

} // namespace

TEST_CASE("a library that is made shorter while it is read does no harm", "[files]") {
  require_tracing();
  const SharedFolder folder;
  fs::copy_file(large_library(), folder / "library.so");
  Child program({built("tests/programs/hostile_mapping"), folder / "library.so", "cut"});
  program.wait_for_prefix("ready");
  for (int i = 0; i < 12; i++) {
    const Finished finished = snapshot_of(program.pid(), "0.3", folder / "out.json");
    INFO(finished.output);
    CHECK(finished.status == 0);
    const Json snapshot = read_json(folder / "out.json");
    CHECK_FALSE(snapshot.is_discarded());
  }
}

TEST_CASE("a FIFO with the inode number of a mapped library holds nobody", "[files]") {
  require_tracing();
  const SharedFolder folder;
  const std::string own = folder / "own";
  fs::create_directory(own);
  fs::create_directory(folder / "out");
  // A file system with inode numbers from the beginning, below another one that hides it.
  Child program({"unshare", "-m", "sh", "-c",
                 "mount -t tmpfs none " + own + " && touch " + own + "/first && cp " +
                     large_library() + " " + own + "/library.so && exec " +
                     built("tests/programs/hostile_mapping") + " " + own + "/library.so inode"});
  program.wait_for_prefix("ready");
  const Finished finished = snapshot_of(program.pid(), "0.5", folder / "out/out.json");
  INFO(finished.output);
  CHECK(finished.status == 0);
  CHECK(has_function(read_json(folder / "out/out.json"), "allocate"));
}

TEST_CASE("another user's copy of a library does not change what is known of the system's",
          "[files]") {
  require_tracing();
  const SharedFolder folder;
  // The same build-id and size, but nothing in it tells how to unwind.
  const std::string blank =
      "import os, re, subprocess, sys\n"
      "path, copy = sys.argv[1:]\n"
      "data = bytearray(open(path, 'rb').read())\n"
      "for line in subprocess.run(['readelf', '-SW', path],\n"
      "    capture_output=True, text=True).stdout.splitlines():\n"
      "  found = re.search(r'\\] \\.eh_frame +\\S+ +\\S+ (\\S+) (\\S+)', line)\n"
      "  if found:\n"
      "    at, size = int(found[1], 16), int(found[2], 16)\n"
      "    data[at:at + size] = bytes(size)\n"
      "open(copy, 'wb').write(data)\n";
  fs::create_directory(folder / "copy");
  const std::string libc = run_program({"sh", "-c",
                                        "ldd " + built("tests/programs/sorts") +
                                            " | awk '/libc.so.6/ { printf \"%s\", $3 }'"})
                               .output;
  REQUIRE(run_program({"python3", "-c", blank, libc, folder / "copy/libc.so.6"}).status == 0);
  Child other({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env",
               "LD_LIBRARY_PATH=" + folder.path() + "/copy", built("tests/programs/sorts")});
  other.wait_for_prefix("ready");
  Child own({built("tests/programs/sorts")});
  own.wait_for_prefix("ready");
  // In one run, the other's first, and in the next.
  const std::string pids = std::to_string(other.pid()) + "," + std::to_string(own.pid());
  const Finished both = run_program(
      {built("leakbpf"), "snapshot", "--exact", "-p", pids, "-d", "1", "-o", folder / "both.json"});
  INFO(both.output);
  CHECK(both.status == 0);
  const Finished alone = snapshot_of(own.pid(), "0.5", folder / "alone.json");
  CHECK(alone.status == 0);
  for (const std::string file : {"both.json", "alone.json"}) {
    INFO(file);
    Json snapshot = read_json(folder / file);
    REQUIRE_FALSE(snapshot.is_discarded());
    for (const Json& site : snapshot.at("sites"))
      if (site.at("pid") == own.pid())
        CHECK(has_function(Json{{"sites", Json::array({site})}}, "sort_and_allocate"));
  }
}

TEST_CASE("root leaves nothing in a user's home", "[files]") {
  require_tracing();
  const SharedFolder home;
  REQUIRE(chown(home.path().c_str(), 65534, 65534) == 0);
  Child program({built("leakbpf-demo")});
  const Finished finished =
      snapshot_of(program.pid(), "0.3", "/dev/null", {"env", "HOME=" + home.path()});
  INFO(finished.output);
  CHECK(finished.status == 0);
  CHECK(fs::is_empty(home.path()));
}
