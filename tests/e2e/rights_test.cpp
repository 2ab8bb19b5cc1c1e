// SPDX-License-Identifier: Apache-2.0
// leakbpf with no more rights than docs/using.md names, and in a container.
#include "child.h"
#include "privileges.h"
#include "temporary_directory.h"

#include <cstdlib>
#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

using namespace leakbpf;
using namespace leakbpf::e2e;
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

namespace {

const std::string needed = "+bpf,+perfmon,+sys_ptrace";
constexpr int nobody = 65534;
constexpr int somebody = 54321;

/// What makes a command run as this user, with these rights and no way to get others.
std::vector<std::string> as_user(int user, const std::string& rights = "") {
  const std::string only = rights.empty() ? "-all" : "-all," + rights;
  const std::string id = std::to_string(user);
  return {"setpriv",        "--reuid=" + id,
          "--regid=" + id,  "--clear-groups",
          "--inh-caps",     only,
          "--ambient-caps", only,
          "--bounding-set", only,
          "--no-new-privs"};
}

std::vector<std::string> operator+(std::vector<std::string> first,
                                   const std::vector<std::string>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

/// A folder of copies that every user can reach, wherever the build is.
class Copies {
public:
  Copies() {
    std::filesystem::create_directories(folder_);
    chmod(folder_.c_str(), 0755);
  }
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;
  ~Copies() { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string of(const std::string& name) const {
    const std::filesystem::path copy = folder_ / name;
    if (!std::filesystem::exists(copy)) {
      std::filesystem::copy_file(built(name), copy);
      chmod(copy.c_str(), 0755);
    }
    return copy;
  }

private:
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("leakbpf-rights-" + std::to_string(getpid()));
};

std::string reachable(const std::string& name) {
  static const Copies copies;
  return copies.of(name);
}

Finished trace(const std::string& rights, pid_t pid, const std::vector<std::string>& options = {}) {
  return run_program(as_user(nobody, rights) +
                     std::vector<std::string>{reachable("leakbpf"), "snapshot", "-q", "-d", "1",
                                              "-o", "-", "-p", std::to_string(pid)} +
                     options);
}

void check_finds_the_leak(const Finished& traced) {
  INFO(traced.output);
  CHECK(traced.status == 0);
  // All of the output: there are no warnings before it.
  const Json snapshot = Json::parse(traced.output, nullptr, false);
  REQUIRE_FALSE(snapshot.is_discarded());
  CHECK_THAT(snapshot.at("sites").dump(), ContainsSubstring("remember_session"));
  CHECK_THAT(snapshot.at("sites").dump(), ContainsSubstring("leaky_shop.cpp"));
  for (const auto& [name, value] : snapshot.at("losses").items()) {
    INFO(name);
    CHECK(value == 0);
  }
}

/// Users without rights must be able to start what was built.
void require_reachable_build() {
  require_tracing();
  if (run_program(as_user(nobody) + std::vector<std::string>{reachable("leakbpf"), "--version"})
          .status != 0)
    SKIP("other users cannot reach " << reachable("leakbpf"));
}

bool has_multi_links() {
  return check_backend(Backend::multi).works;
}

/// A folder that only `user` may enter, with a copy of the demo in it.
class PrivateFolder {
public:
  explicit PrivateFolder(uid_t user) {
    std::filesystem::copy_file(reachable("leakbpf-demo"), program());
    REQUIRE(chown(folder_.path().c_str(), user, user) == 0);
  }
  [[nodiscard]] std::string program() const { return folder_ / "demo"; }

private:
  TemporaryDirectory folder_;
};

/// Copies leakbpf and its libraries into a file system of its own, with the host's /proc and /sys,
/// and runs it there: what a privileged container is. The first argument is a folder to mount on.
constexpr const char* in_container = R"(
set -e
root=$1; leakbpf=$2; shift 2
mount -t tmpfs none "$root"
mkdir "$root/proc" "$root/sys" "$root/tmp"
cp "$leakbpf" "$root/leakbpf"
ldd "$leakbpf" | grep -o '/[^ ]*' | while read -r library; do cp -L --parents "$library" "$root"; done
mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
exec chroot "$root" /leakbpf "$@"
)";

} // namespace

TEST_CASE("three capabilities are enough for anybody's process", "[rights]") {
  require_reachable_build();
  if (!has_multi_links())
    SKIP("without uprobe multi links there is no way but perf events");
  const int owner = GENERATE(nobody, somebody, 0);
  CAPTURE(owner);
  Child program(owner == 0 ? std::vector<std::string>{reachable("leakbpf-demo")}
                           : as_user(owner) + std::vector<std::string>{reachable("leakbpf-demo")});
  usleep(300'000);
  check_finds_the_leak(trace(needed, program.pid()));
}

TEST_CASE("three capabilities are enough for page faults", "[rights]") {
  require_reachable_build();
  Child program({reachable("leakbpf-demo")});
  usleep(300'000);
  const Finished traced = trace(needed, program.pid(), {"--kinds", "pages"});
  INFO(traced.output);
  if (!has_multi_links()) // the probes that are not attached are tried first
    SKIP("without uprobe multi links there is no way but perf events");
  CHECK(traced.status == 0);
}

TEST_CASE("each right that is missing is named", "[rights]") {
  require_reachable_build();
  Child program(as_user(nobody) + std::vector<std::string>{reachable("leakbpf-demo")});
  usleep(300'000);
  const auto missing = GENERATE(std::pair{"+perfmon,+sys_ptrace", "CAP_BPF is missing"},
                                std::pair{"+bpf,+sys_ptrace", "CAP_PERFMON is missing"},
                                std::pair{"+bpf,+perfmon", "CAP_SYS_PTRACE is missing"},
                                std::pair{"+sys_ptrace", "CAP_BPF, CAP_PERFMON are missing"});
  const Finished refused = trace(missing.first, program.pid());
  CHECK(refused.status == 3);
  CHECK_THAT(refused.output, ContainsSubstring(missing.second));
  CHECK_THAT(refused.output, ContainsSubstring("CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE"));
}

TEST_CASE("without CAP_SYS_PTRACE another's process is refused, and says so", "[rights]") {
  require_reachable_build();
  Child program({reachable("leakbpf-demo")});
  usleep(300'000);
  const Finished refused = trace("+bpf,+perfmon", program.pid());
  CHECK(refused.status == 3);
  CHECK_THAT(refused.output, ContainsSubstring("CAP_SYS_PTRACE"));
}

TEST_CASE("perf events need CAP_SYS_ADMIN where the kernel asks for it", "[rights]") {
  require_reachable_build();
  Child program(as_user(somebody) + std::vector<std::string>{reachable("leakbpf-demo")});
  usleep(300'000);
  const std::vector<std::string> by_perf{"--backend", "perf"};
  const Finished without = trace(needed, program.pid(), by_perf);
  INFO(without.output);
  CHECK((without.status == 0 || without.status == 3));
  if (without.status == 3)
    CHECK_THAT(without.output, ContainsSubstring("CAP_SYS_ADMIN"));
  check_finds_the_leak(trace(needed + ",+sys_admin", program.pid(), by_perf));
}

TEST_CASE("a program in a private folder needs CAP_DAC_READ_SEARCH", "[rights]") {
  require_reachable_build();
  if (!has_multi_links())
    SKIP("without uprobe multi links there is no way but perf events");
  const PrivateFolder folder(somebody);
  Child program(as_user(somebody) + std::vector<std::string>{folder.program()});
  usleep(300'000);
  const Finished refused = trace(needed, program.pid());
  CHECK(refused.status == 3);
  CHECK_THAT(refused.output, ContainsSubstring("CAP_DAC_READ_SEARCH"));
  check_finds_the_leak(trace(needed + ",+dac_read_search", program.pid()));
}

TEST_CASE("leakbpf works in a container that sees the host's processes", "[rights]") {
  require_reachable_build();
  const PrivateFolder folder(0);
  const std::string mount_point = folder.program() + ".root";
  std::filesystem::create_directory(mount_point);
  // The program's file is not in the container, at its path there is none.
  Child program({folder.program()});
  usleep(300'000);
  check_finds_the_leak(run_program({"unshare", "-m", "sh", "-c", in_container, "sh", mount_point,
                                    reachable("leakbpf"), "snapshot", "-q", "-d", "1", "-o", "-",
                                    "-p", std::to_string(program.pid())}));
}
