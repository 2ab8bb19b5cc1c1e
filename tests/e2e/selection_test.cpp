// SPDX-License-Identifier: Apache-2.0
// Targets that are chosen by their name, cgroup or container.
#include "child.h"
#include "privileges.h"

#include <csignal>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

using namespace leakbpf::e2e;
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

namespace {

/// A cgroup of the test's own, in whichever hierarchy can have one.
class Cgroup {
public:
  explicit Cgroup(const std::string& path) {
    for (const std::string mount :
         {"/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
      std::error_code error;
      if (!std::filesystem::exists(mount + "/cgroup.procs"))
        continue;
      outer_ = std::filesystem::path(mount + path).parent_path();
      std::filesystem::create_directories(mount + path, error);
      if (!error && std::filesystem::exists(mount + path + "/cgroup.procs")) {
        directory_ = mount + path;
        return;
      }
    }
  }
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  ~Cgroup() {
    // What was in it may still be ending.
    for (int tries = 0; tries < 100 && !directory_.empty(); tries++) {
      if (rmdir(directory_.c_str()) == 0)
        break;
      usleep(20'000);
    }
    rmdir(outer_.c_str());
  }
  [[nodiscard]] const std::string& directory() const { return directory_; }

private:
  std::string directory_; ///< empty: there can be none here
  std::string outer_;
};

/// Processes of one service that are ready to begin, and do the same.
std::vector<std::unique_ptr<Child>> start_workers(int count, const std::string& name) {
  std::vector<std::unique_ptr<Child>> workers;
  for (int i = 0; i < count; i++) {
    workers.push_back(std::make_unique<Child>(
        std::vector<std::string>{built("tests/programs/ledger"), "new-delete", "100", name}));
    workers.back()->wait_for_prefix("ready");
  }
  return workers;
}

void work(Child& worker) {
  worker.write_line("");
  worker.wait_for_prefix("done");
}

Json rows_by(const std::string& file, const std::string& what) {
  const Finished report =
      run_program({built("leakbpf"), "report", file, "--by", what, "--format", "json"});
  REQUIRE(report.status == 0);
  return Json::parse(report.output);
}

} // namespace

TEST_CASE("workers are found by name; their leaks add up by line", "[selection][beside]") {
  require_tracing();
  const std::string name = "selection-" + std::to_string(getpid());
  const auto workers = start_workers(4, name);
  const TemporaryFile file;
  // Through a shell, in whose command line the name stands, too.
  Child tracer({"sh", "-c",
                built("leakbpf") + " snapshot --exact -o " + file.path() + " --name '" + name +
                    "'; exit $?"});
  for (std::size_t i = 0; i < workers.size(); i++)
    tracer.wait_for_prefix("leakbpf: tracing PID");
  std::set<pid_t> expected;
  for (const auto& worker : workers) {
    work(*worker);
    expected.insert(worker->pid());
  }
  const Finished stopped = run_program({"pkill", "-INT", "-P", std::to_string(tracer.pid())});
  CHECK(stopped.status == 0);
  CHECK(tracer.wait_end() == 0);
  std::set<pid_t> found;
  const Json snapshot = Json::parse(file.text());
  for (const Json& target : snapshot.at("targets"))
    found.insert(target.at("pid").get<pid_t>());
  CHECK(found == expected);
  std::set<std::pair<std::string, std::string>> lines;
  std::size_t of_all = 0;
  const Json by_line = rows_by(file.path(), "line");
  for (const Json& row : by_line.at("sites")) {
    CHECK(expected.contains(row.at("pid").get<pid_t>()));
    of_all += row.at("processes") == 4 && row.at("outstanding_bytes") > 0 ? 1 : 0;
    CHECK(lines.emplace(row.at("kind").get<std::string>(), row.at("frames").dump()).second);
  }
  CHECK(of_all > 0);
  const Json by_process = rows_by(file.path(), "process");
  CHECK(by_process.at("sites").size() == 4);
}

TEST_CASE("a container's processes have both of their PIDs", "[selection][beside]") {
  require_tracing();
  std::string whole = std::to_string(getpid());
  whole.resize(64, 'c');
  const Cgroup cgroup("/leakbpf-test/" + whole);
  if (cgroup.directory().empty())
    SKIP("no cgroup can be made here");
  Child container(
      {"sh", "-c",
       "echo $$ >\"$1\"/cgroup.procs && shift && exec unshare -p -f --kill-child \"$@\"", "sh",
       cgroup.directory(), built("tests/programs/ledger"), "new-delete", "100"});
  container.wait_for_prefix("ready");
  const TemporaryFile file;
  Child tracer({built("leakbpf"), "snapshot", "--exact", "-o", file.path(), "--container",
                whole.substr(0, 12)});
  tracer.wait_for_prefix("leakbpf: tracing PID");
  tracer.wait_for_prefix("leakbpf: tracing PID"); // unshare itself is one of them
  work(container);
  tracer.signal(SIGINT);
  CHECK(tracer.wait_end() == 0);
  const Json snapshot = Json::parse(file.text());
  const Json* inside = nullptr;
  for (const Json& target : snapshot.at("targets")) {
    REQUIRE(target.at("container").is_object());
    CHECK(target.at("container").at("id") == whole);
    if (target.at("comm") == "ledger")
      inside = &target;
  }
  REQUIRE(inside);
  CHECK(inside->at("pid_in_namespace") == 1);
  CHECK(inside->at("outstanding_bytes") > 0);
  const Finished table = run_program({built("leakbpf"), "report", file.path()});
  CHECK_THAT(table.output,
             ContainsSubstring(" (1 in container " + whole.substr(0, 12) + ") ledger"));
}

TEST_CASE("where nothing matches leakbpf ends with 4", "[selection][beside]") {
  const auto error_of = [](const std::vector<std::string>& selector) {
    std::vector<std::string> command{built("leakbpf"), "snapshot", "-d", "1"};
    command.insert(command.end(), selector.begin(), selector.end());
    const Finished finished = run_program(command);
    CHECK(finished.status == 4);
    return finished.output;
  };
  CHECK_THAT(error_of({"--name", "no-such-[p]rogram"}),
             ContainsSubstring("error: no process matches --name no-such-[p]rogram"));
  CHECK_THAT(error_of({"--cgroup", "/no/such/group"}),
             ContainsSubstring("error: there is no cgroup /no/such/group"));
  CHECK_THAT(error_of({"--container", "0123456789abcdef"}),
             ContainsSubstring("error: no process is in container 0123456789abcdef"));
}
