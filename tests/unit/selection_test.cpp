// SPDX-License-Identifier: Apache-2.0
#include "fake_proc.h"
#include "target/selection.h"

#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;
using Pids = std::vector<pid_t>;

const std::string other_id = "3f2a9c0b17d2" + std::string(52, 'a');
const std::string kSister = "3f2a9c0b17d2" + std::string(52, 'b');
constexpr pid_t kSelf = 900;

/// A machine with some processes, among them leakbpf.
class Machine {
public:
  Machine() {
    std::filesystem::create_symlink("900", proc_.folder / "self");
    std::filesystem::create_directories(proc_.folder / "groups");
    write_text(proc_.folder / "groups/cgroup.procs", "");
    mount("/", "cgroup2", "rw");
    add(kSelf, "leakbpf\0--name\0shop"
               "\0");
  }
  /// `command` is made of words that end with a null character.
  template <std::size_t size>
  void add(pid_t pid, const char (&command)[size], const std::string& cgroup = "/",
           pid_t parent = 1) {
    proc_.add_process(pid);
    proc_.write(pid, "cmdline", std::string(command, size - 1));
    set_stat(pid, 'S', parent);
    proc_.write(pid, "cgroup", "0::" + cgroup + "\n");
  }
  void set_stat(pid_t pid, char state, pid_t parent = 1, const std::string& flags = "0") const {
    proc_.write(pid, "stat",
                std::to_string(pid) + " (worker) " + state + " " + std::to_string(parent) +
                    " 42 42 0 -1 " + flags + " 9 0 3 0 2 5 0 0 20 0 8 0 12345 1 4 1 1 1 0\n");
  }
  void set_exe(pid_t pid, const std::string& program) const {
    std::filesystem::remove(proc_.path(pid, "exe"));
    std::filesystem::create_symlink(program, proc_.path(pid, "exe"));
  }
  /// Shows the group `root` of a hierarchy in the folder "groups".
  void mount(const std::string& root, const std::string& type, const std::string& options) const {
    proc_.write(kSelf, "mountinfo",
                "41 31 0:38 " + root + " " + groups() + " rw - " + type + " x " + options + "\n");
  }
  [[nodiscard]] std::string groups() const {
    return std::filesystem::canonical(proc_.folder / "groups").string();
  }
  void add_group(const std::string& path) const {
    std::filesystem::create_directories(groups() + path);
  }
  [[nodiscard]] Result<TargetSelection> resolve(const TargetRequest& request) const {
    return TargetSelection::resolve(proc_.fs(), request);
  }
  [[nodiscard]] Pids matching(const TargetRequest& request) const {
    const auto selection = resolve(request);
    INFO((selection ? "" : selection.error().message));
    REQUIRE(selection);
    return selection->matching(proc_.fs());
  }
  [[nodiscard]] Error refusal(const TargetRequest& request) const {
    const auto selection = resolve(request);
    REQUIRE_FALSE(selection);
    return selection.error();
  }
  [[nodiscard]] FakeProc& proc() { return proc_; }

private:
  FakeProc proc_;
};

TargetRequest named(const std::string& name) {
  TargetRequest request;
  request.names = {name};
  return request;
}

TargetRequest in_cgroup(const std::string& path) {
  TargetRequest request;
  request.cgroups = {path};
  return request;
}

TargetRequest in_container(const std::string& id) {
  TargetRequest request;
  request.containers = {id};
  return request;
}

TargetRequest everything() {
  TargetRequest request;
  request.all = true;
  return request;
}

TEST_CASE("PIDs stay as they are asked for", "[selection]") {
  Machine machine;
  machine.add(17, "shop\0");
  TargetRequest request;
  request.pids = {18, 17, 18};
  CHECK(machine.matching(request) == Pids{18, 17}); // whether they exist is found out later
  const auto selection = machine.resolve(request);
  REQUIRE(selection);
  CHECK_FALSE(selection->takes_new());
  CHECK(selection->matches(machine.proc().fs(), 17));
  CHECK_FALSE(selection->matches(machine.proc().fs(), 19));
  CHECK(TargetSelection().matching(machine.proc().fs()).empty());
}

TEST_CASE("a name is looked for in the whole command line", "[selection]") {
  Machine machine;
  machine.add(17, "/usr/bin/python3\0-m\0uvicorn\0shop:app\0");
  machine.add(18, "/usr/bin/python3\0worker.py\0");
  machine.add(9, "uvicorn\0");
  CHECK(machine.matching(named("uvicorn")) == Pids{9, 17});
  CHECK(machine.matching(named("^uvicorn$")) == Pids{9});
  CHECK(machine.matching(named("-m (uvi|guni)corn")) == Pids{17});
  CHECK(machine.matching(named("nginx")).empty());
  TargetRequest two = named("worker");
  two.names.emplace_back("^uvicorn");
  CHECK(machine.matching(two) == Pids{9, 18});
  const auto selection = machine.resolve(named("nginx"));
  REQUIRE(selection);
  CHECK(selection->takes_new());
  machine.add(30, "nginx: worker\0");
  CHECK(selection->matches(machine.proc().fs(), 30));
}

TEST_CASE("a process that wiped out its command line has its short name", "[selection]") {
  Machine machine;
  machine.add(17, "");
  CHECK(machine.matching(named("^worker$")) == Pids{17});
}

TEST_CASE("only living processes with memory match", "[selection]") {
  Machine machine;
  machine.add(2, "", "/", 0);
  machine.set_stat(2, 'S', 0, "2129984"); // a kernel thread
  machine.add(17, "shop\0");
  machine.add(18, "shop\0");
  machine.set_stat(18, 'Z');
  CHECK(machine.matching(everything()) == Pids{17});
  CHECK(machine.matching(in_cgroup("/")) == Pids{17});
  CHECK_FALSE(machine.resolve(everything())->matches(machine.proc().fs(), 99)); // has ended
}

TEST_CASE("leakbpf is no target of its own, nor what it was started by", "[selection]") {
  Machine machine;
  machine.add(17, "shop\0");
  machine.add(800, "sshd: shop [priv]\0", "/", 1);
  machine.add(801, "bash\0-c\0sudo leakbpf --name 'shop' | tee log\0", "/", 800);
  machine.add(802, "sudo\0leakbpf\0--name\0shop\0", "/", 801);
  machine.set_stat(kSelf, 'S', 802);
  // sshd's line has the pattern, but leakbpf's words do not stand in it.
  CHECK(machine.matching(named("shop")) == Pids{17, 800});
  CHECK(machine.matching(everything()) == Pids{17, 800, 801, 802});
}

TEST_CASE("another leakbpf is no target", "[selection]") {
  Machine machine;
  machine.add(17, "leakbpf\0--name\0shop\0");
  CHECK(machine.matching(named("shop")) == Pids{17});
  machine.set_exe(kSelf, "/usr/bin/leakbpf");
  machine.set_exe(17, "/usr/bin/leakbpf");
  CHECK(machine.matching(named("shop")).empty());
  TargetRequest request = named("shop");
  request.pids = {17}; // for who wants just that
  CHECK(machine.matching(request) == Pids{17});
}

TEST_CASE("children that there are already are targets when forks are followed", "[selection]") {
  Machine machine;
  machine.add(17, "uvicorn\0");
  machine.add(5, "python3\0-c\0spawn_main\0", "/", 17); // PIDs start anew some time
  machine.add(18, "python3\0-c\0spawn_main\0", "/", 17);
  machine.add(19, "sh\0", "/", 18);
  machine.add(20, "sh\0", "/", 17);
  machine.set_stat(20, 'Z', 17);
  machine.add(21, "other\0");
  machine.add(800, "sudo\0leakbpf\0--name\0shop\0", "/", 17);
  machine.set_stat(kSelf, 'S', 800);
  machine.add(901, "helper\0", "/", kSelf);
  TargetRequest request = named("uvicorn");
  CHECK(machine.matching(request) == Pids{17});
  request.children = true;
  CHECK(machine.matching(request) == Pids{17, 5, 18, 19});
  TargetRequest by_pid;
  by_pid.pids = {17};
  CHECK(machine.matching(by_pid) == Pids{17});
  by_pid.children = true;
  CHECK(machine.matching(by_pid) == Pids{17, 5, 18, 19});
  CHECK_FALSE(machine.resolve(by_pid)->takes_new());
}

TEST_CASE("a cgroup has those below it", "[selection]") {
  Machine machine;
  machine.add(17, "a\0", "/system.slice/shop.service");
  machine.add(18, "b\0", "/system.slice/shop.service/worker");
  machine.add(19, "c\0", "/system.slice/shop.service2");
  machine.add_group("/system.slice/shop.service/worker");
  machine.add_group("/system.slice/idle.service");
  for (const std::string path : {"/system.slice/shop.service", "system.slice/shop.service",
                                 "/system.slice//shop.service/", "/system.slice/./shop.service"}) {
    CAPTURE(path);
    CHECK(machine.matching(in_cgroup(path)) == Pids{17, 18});
  }
  CHECK(machine.matching(in_cgroup(machine.groups() + "/system.slice/shop.service")) ==
        Pids{17, 18});
  CHECK(machine.matching(in_cgroup(machine.groups() + "/system.slice/shop.service/worker/")) ==
        Pids{18});
  CHECK(machine.matching(in_cgroup("/")) == Pids{17, 18, 19});
  CHECK(machine.matching(in_cgroup("/system.slice/idle.service")).empty()); // but it exists
}

TEST_CASE("a cgroup that does not exist is no target", "[selection]") {
  Machine machine;
  machine.add(17, "a\0", "/system.slice/shop.service");
  for (const std::string path :
       {"/system.slice/shop", "/sys/fs/cgroup/no-such-group", "no such group"}) {
    const Error error = machine.refusal(in_cgroup(path));
    CHECK(error.code == ExitCode::no_target);
    CHECK(error.message == "there is no cgroup " + path);
    CHECK_THAT(error.hint, ContainsSubstring("systemd-cgls"));
  }
}

TEST_CASE("a directory of a v1 controller is a group of that controller", "[selection]") {
  Machine machine;
  machine.add(17, "a\0");
  machine.add(18, "b\0");
  machine.mount("/", "cgroup", "rw,cpu,cpuacct");
  machine.add_group("/shop");
  machine.proc().write(17, "cgroup", "3:cpu,cpuacct:/shop/a\n2:memory:/\n0::/\n");
  machine.proc().write(18, "cgroup", "3:cpu,cpuacct:/\n2:memory:/shop\n0::/\n");
  machine.proc().write(kSelf, "cgroup", "3:cpu,cpuacct:/\n2:memory:/\n0::/\n");
  CHECK(machine.matching(in_cgroup(machine.groups() + "/shop")) == Pids{17});
  CHECK(machine.matching(in_cgroup("/shop")) == Pids{17, 18}); // of any controller
}

TEST_CASE("in a cgroup namespace paths lead out of it", "[selection]") {
  Machine machine;
  machine.add(17, "a\0", "/../../system.slice/shop.service");
  machine.mount("/../..", "cgroup2", "rw"); // the machine's /sys/fs/cgroup, mounted into it
  machine.add_group("/system.slice/shop.service");
  CHECK(machine.matching(in_cgroup("/system.slice/shop.service")) == Pids{17});
  CHECK(machine.matching(in_cgroup(machine.groups() + "/system.slice/shop.service")) == Pids{17});
  machine.add(18, "a\0", "/"); // of leakbpf's own group
  CHECK(machine.matching(in_cgroup("/")) == Pids{17, 18});
}

TEST_CASE("a container is found by its id or how that begins", "[selection]") {
  Machine machine;
  machine.add(17, "a\0", "/docker/" + other_id);
  machine.add(18, "b\0", "/system.slice/docker-" + other_id + ".scope/init");
  machine.add(19, "c\0",
              "/docker/" + std::string(64, 'c') + "/docker/" + other_id); // one in another
  machine.add(20, "d\0", "/lxc.payload.web");
  machine.add(21, "e\0", "/docker/" + kSister);
  CHECK(machine.matching(in_container(other_id)) == Pids{17, 18, 19});
  CHECK(machine.matching(in_container(other_id.substr(0, 13))) == Pids{17, 18, 19});
  CHECK(machine.matching(in_container("containerd://" + other_id)) == Pids{17, 18, 19});
  CHECK(machine.matching(in_container("cccccc")) == Pids{19});
  CHECK(machine.matching(in_container("web")) == Pids{20});
}

TEST_CASE("an id that does not tell which container is meant is refused", "[selection]") {
  Machine machine;
  machine.add(17, "a\0", "/docker/" + other_id);
  machine.add(18, "b\0", "/docker/" + kSister);
  Error error = machine.refusal(in_container("3f2a9c0b17d2"));
  CHECK(error.code == ExitCode::usage);
  CHECK(error.message == "2 container IDs begin with 3f2a9c0b17d2");
  CHECK(error.hint == "give more characters: 3f2a9c0b17d2aaaa, 3f2a9c0b17d2bbbb");
  error = machine.refusal(in_container("3f2a9"));
  CHECK(error.code == ExitCode::usage);
  CHECK_THAT(error.hint, ContainsSubstring("6 characters"));
  error = machine.refusal(in_container("deadbeef"));
  CHECK(error.code == ExitCode::no_target);
  CHECK(error.message == "no process is in container deadbeef");
  CHECK_FALSE(error.hint.empty());
}

TEST_CASE("a process that anything selects is a target", "[selection]") {
  Machine machine;
  machine.add(17, "a\0", "/docker/" + other_id);
  machine.add(18, "b\0", "/system.slice/shop.service");
  machine.add(19, "uvicorn\0");
  machine.add(20, "d\0");
  machine.add(21, "e\0");
  TargetRequest request = named("uvicorn");
  request.pids = {20, 18};
  request.containers = {other_id};
  request.cgroups = {"/system.slice/shop.service"};
  CHECK(machine.matching(request) == Pids{20, 18, 17, 19});
  CHECK(describe_selectors(request) ==
        "--name uvicorn, --cgroup /system.slice/shop.service, --container " + other_id);
  CHECK(describe_selectors(everything()) == "--all");
}

} // namespace
} // namespace leakbpf
