// SPDX-License-Identifier: Apache-2.0
// Processes that come, change and go: none is lost, nothing of them is left behind.
#include "child.h"
#include "ledger.h"
#include "privileges.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <bpf/bpf.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

using namespace leakbpf;
using namespace leakbpf::e2e;
using Json = nlohmann::json;

namespace {

/// What each child, thread or program of tests/programs/storms.c keeps.
constexpr std::uint64_t blocks = 7;
constexpr std::uint64_t block_bytes = 1001;

/// tests/programs/storms under leakbpf, both ready.
struct Storm {
  explicit Storm(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& options = {"--exact"})
      : program(command(arguments)) {
    program.wait_for_prefix("ready");
    std::vector<std::string> all{built("leakbpf"), "snapshot", "-d", "600", "-o",
                                 output.path(),    "-p"};
    all.push_back(std::to_string(program.pid()));
    all.insert(all.end(), options.begin(), options.end());
    tracer = std::make_unique<Child>(all);
    tracer->wait_for_prefix("leakbpf: tracing");
  }
  static std::vector<std::string> command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), built("tests/programs/storms"));
    return arguments;
  }

  /// The program ends by itself, and as it should.
  void end_program() {
    program.write_line("end");
    CHECK(program.wait_end() == 3);
  }
  Json finish() {
    tracer->signal(SIGINT);
    const int status = tracer->wait_end();
    INFO(tracer->rest());
    REQUIRE(status == 0);
    return Json::parse(output.text());
  }

  TemporaryFile output;
  Child program;
  std::unique_ptr<Child> tracer;
};

/// Of the sites with this function in their stack, by target.
std::map<std::size_t, std::uint64_t> kept_by_target(const Json& snapshot,
                                                    const std::string& function) {
  std::map<std::size_t, std::uint64_t> kept;
  for (const Json& site : snapshot.at("sites"))
    if (site.at("frames").dump().find('"' + function + '"') != std::string::npos)
      kept[site.at("target").get<std::size_t>()] +=
          site.at("outstanding_bytes").get<std::uint64_t>();
  return kept;
}

/// But for files: each that names are read from is open once.
std::size_t count_descriptors(pid_t pid) {
  std::size_t count = 0;
  std::error_code gone;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd"))
    if (!std::filesystem::read_symlink(entry.path(), gone).string().starts_with("/"))
      count++;
  return count;
}

/// Ids of the maps that the process has open.
std::set<std::uint32_t> maps_of(pid_t pid) {
  std::set<std::uint32_t> ids;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fdinfo")) {
    std::ifstream lines(entry.path());
    for (std::string word; lines >> word;)
      if (std::uint32_t id = 0; word == "map_id:" && lines >> id)
        ids.insert(id);
  }
  return ids;
}

std::size_t count_entries(int map, std::uint32_t key_size) {
  std::vector<std::uint8_t> key(key_size);
  std::size_t count = 0;
  for (const void* last = nullptr; bpf_map_get_next_key(map, last, key.data()) == 0;
       last = key.data())
    count++;
  return count;
}

/// Entries of the hash tables in the kernel that have a key for each process.
std::map<std::string, std::size_t> table_entries(pid_t pid) {
  const std::set<std::string> of_processes{"targets", "live", "pythons", "python_heaps",
                                           "collections"};
  std::map<std::string, std::size_t> entries;
  for (const std::uint32_t id : maps_of(pid)) {
    const UniqueFd map(bpf_map_get_fd_by_id(id));
    bpf_map_info info{};
    std::uint32_t size = sizeof(info);
    REQUIRE(bpf_map_get_info_by_fd(map.get(), &info, &size) == 0);
    if (of_processes.contains(info.name))
      entries[info.name] = count_entries(map.get(), info.key_size);
  }
  return entries;
}

/// Links are closed in the background.
bool descriptors_return_to(pid_t pid, std::size_t expected) {
  for (int tries = 0; tries < 1200; tries++) {
    if (count_descriptors(pid) <= expected)
      return true;
    usleep(100'000);
  }
  return false;
}

/// Blocks of those that have ended are forgotten at the next look at all blocks.
bool live_blocks_return_to(pid_t pid, std::size_t expected) {
  for (int tries = 0; tries < 120; tries++) {
    if (table_entries(pid).at("live") <= expected)
      return true;
    sleep(1);
  }
  return false;
}

} // namespace

TEST_CASE("a storm of forks loses no target and leaves nothing behind", "[processes][beside]") {
  require_tracing();
  constexpr std::size_t children = 5000; // in less than a minute
  Storm storm({"forks", std::to_string(children), "50000"});
  const pid_t tracer = storm.tracer->pid();
  const std::size_t descriptors = count_descriptors(tracer);
  const std::size_t live = table_entries(tracer).at("live");
  storm.program.write_line("go");
  storm.program.wait_for_prefix("done", 120);
  CHECK(descriptors_return_to(tracer, descriptors));
  CHECK(live_blocks_return_to(tracer, live + 10));
  const auto entries = table_entries(tracer);
  CHECK(entries.at("targets") == 1);
  CHECK(entries.at("pythons") == 0);
  CHECK(entries.at("python_heaps") == 0);
  CHECK(entries.at("collections") == 0);
  const Json snapshot = storm.finish();
  CHECK(snapshot.at("targets").size() == 1 + children);
  for (const Json& target : snapshot.at("targets")) {
    if (target.at("pid") == storm.program.pid()) {
      CHECK(target.at("ended").is_null());
      continue;
    }
    CHECK(target.at("ppid") == storm.program.pid());
    CHECK(target.at("comm") == "storms");
    CHECK(target.at("ended").at("how") == "exited with 3");
  }
  for (const auto& [name, value] : snapshot.at("losses").items()) {
    INFO(name);
    // The code that a child ran cannot be looked at once it is gone: such a stack ends early.
    if (!name.starts_with("unwind_"))
      CHECK(value == 0);
  }
  storm.end_program();
}

TEST_CASE("a storm of threads is followed to the byte", "[processes][beside]") {
  require_tracing();
  constexpr std::size_t threads = 4000;
  Storm storm({"threads", std::to_string(threads)});
  const pid_t tracer = storm.tracer->pid();
  const std::size_t descriptors = count_descriptors(tracer);
  storm.program.write_line("go");
  storm.program.wait_for_prefix("done", 120);
  CHECK(descriptors_return_to(tracer, descriptors));
  CHECK(table_entries(tracer).at("targets") == 1);
  const Json snapshot = storm.finish();
  REQUIRE(snapshot.at("targets").size() == 1);
  CHECK(kept_by_target(snapshot, "keep_blocks").at(0) == threads * blocks * block_bytes);
  check_no_losses(snapshot);
  storm.end_program();
}

TEST_CASE("blocks of processes that have ended stay in their rows alone", "[processes][beside]") {
  require_tracing();
  constexpr std::size_t workers = 4;
  Storm storm({"workers", std::to_string(workers)});
  const pid_t tracer = storm.tracer->pid();
  storm.program.write_line("go");
  storm.program.wait_for_prefix("forked");
  for (std::size_t i = 0; i < workers; i++)
    storm.tracer->wait_for_prefix("leakbpf: tracing PID");
  storm.program.write_line("take");
  storm.program.wait_for_prefix("kept");
  const std::size_t before = table_entries(tracer).at("live");
  CHECK(before >= workers * blocks);
  storm.program.write_line("end");
  storm.program.wait_for_prefix("done");
  for (int tries = 0; tries < 300 && table_entries(tracer).at("live") + workers * blocks > before;
       tries++)
    usleep(100'000);
  CHECK(table_entries(tracer).at("live") + workers * blocks <= before);
  const Json snapshot = storm.finish();
  const auto kept = kept_by_target(snapshot, "keep_blocks");
  CHECK(kept.size() == workers); // no more, and none of the parent
  for (const auto& [target, bytes] : kept) {
    CHECK(bytes == blocks * block_bytes);
    CHECK(snapshot.at("targets").at(target).at("ppid") == storm.program.pid());
  }
  check_no_losses(snapshot);
  storm.end_program();
}

TEST_CASE("each program of a chain of execs begins anew", "[processes][beside]") {
  require_tracing();
  constexpr std::size_t times = 5;
  Storm storm({"chain", std::to_string(times)});
  storm.program.write_line("go");
  storm.program.wait_for_prefix("done", 120);
  const Json snapshot = storm.finish();
  REQUIRE(snapshot.at("targets").size() == 1 + times);
  std::size_t alive = 0;
  for (const Json& target : snapshot.at("targets")) {
    CHECK(target.at("pid") == storm.program.pid());
    if (target.at("ended").is_null())
      alive++;
    else
      CHECK(target.at("ended").at("how") == "ran another program (exec)");
  }
  CHECK(alive == 1);
  // The first was traced from before; none has another's blocks.
  const auto kept = kept_by_target(snapshot, "keep_blocks");
  for (const auto& [target, bytes] : kept)
    CHECK(bytes <= blocks * block_bytes);
  std::uint64_t most = 0;
  for (const auto& [target, bytes] : kept)
    most = std::max(most, bytes);
  CHECK(most == blocks * block_bytes);
  storm.end_program();
}

TEST_CASE("children of posix_spawn and vfork are targets", "[processes][beside]") {
  require_tracing();
  constexpr std::size_t children = 20;
  Storm storm({"spawns", std::to_string(children)});
  storm.program.write_line("go");
  storm.program.wait_for_prefix("done", 120);
  const Json snapshot = storm.finish();
  std::size_t programs = 0;
  for (const Json& target : snapshot.at("targets")) {
    if (target.at("pid") == storm.program.pid()) {
      CHECK(target.at("ended").is_null());
      continue;
    }
    CHECK(target.at("ppid") == storm.program.pid());
    programs += target.at("ended").at("how") == "exited with 3" ? 1 : 0;
  }
  CHECK(programs == children);
  CHECK(snapshot.at("targets").size() == 1 + 2 * children); // each before and after its exec
  storm.end_program();
}

TEST_CASE("a process whose main thread has ended is traced on", "[processes][beside]") {
  require_tracing();
  const std::string backend = GENERATE(from_range(backends_to_test()));
  CAPTURE(backend);
  if (backend == "perf" || !check_backend(Backend::multi).works)
    return; // perf events end with the main thread: see the next test
  std::vector<std::string> options{"--exact"};
  if (backend != "auto")
    options.insert(options.end(), {"--backend", backend});
  Storm storm({"main-ends"}, options);
  storm.program.write_line("go");
  storm.program.wait_for_prefix("alone");
  usleep(2'500'000); // samples at which it must not be taken for one that has ended
  storm.program.write_line("go");
  storm.program.wait_for_prefix("done");
  const Json snapshot = storm.finish();
  REQUIRE(snapshot.at("targets").size() == 1);
  const Json& target = snapshot.at("targets").at(0);
  CHECK(target.at("ended").is_null());
  CHECK(target.at("rss_end_bytes").get<std::uint64_t>() > 0);
  CHECK(kept_by_target(snapshot, "keep_blocks")[0] == blocks * block_bytes);
  storm.end_program();
}

TEST_CASE("where the probes end with the main thread, the target ends, too",
          "[processes][beside]") {
  require_tracing();
  if (!check_backend(Backend::perf).works)
    SKIP("this kernel has no perf event uprobes");
  Storm storm({"main-ends"}, {"--exact", "--backend", "perf"});
  storm.program.write_line("go");
  storm.program.wait_for_prefix("alone");
  (void)storm.tracer->wait_end(); // by itself, when its only target has ended
  const Json snapshot = Json::parse(storm.output.text());
  CHECK(snapshot.at("targets").at(0).at("ended").at("how").get<std::string>().starts_with(
      "its main thread ended"));
  storm.program.write_line("go");
  storm.program.wait_for_prefix("done");
  storm.end_program();
}

TEST_CASE("a process whose main thread has ended before is no target, and says why",
          "[processes][beside]") {
  require_tracing();
  Child program({built("tests/programs/storms"), "main-ends"});
  program.write_line("go");
  program.wait_for_prefix("alone");
  const Finished refused = run_program({built("leakbpf"), "snapshot", "-d", "1", "-o", "/dev/null",
                                        "-p", std::to_string(program.pid())});
  INFO(refused.output);
  CHECK(refused.status == 4);
  CHECK(refused.output.find("main thread") != std::string::npos);
  program.write_line("go");
  program.write_line("end");
  CHECK(program.wait_end() == 3);
}
