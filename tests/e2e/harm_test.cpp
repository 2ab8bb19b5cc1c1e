// SPDX-License-Identifier: Apache-2.0
// What surrounds leakbpf may be broken, stalled or hostile: stderr, stdout, the output file, files
// that it reads, other users' command lines. It still ends as it should, and nothing is left.
#include "child.h"
#include "privileges.h"
#include "temporary_directory.h"

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

using namespace leakbpf::e2e;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using leakbpf::TemporaryDirectory;
using leakbpf::text_of;
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

/// Runs leakbpf by a shell that has given it other descriptors, limits or signals: `before` goes in
/// front, `redirections` behind.
Words by_shell(const std::string& before, const Words& arguments, const std::string& redirections) {
  Words words{"bash", "-c", before + " \"$0\" \"$@\" " + redirections, built("leakbpf")};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

bool is_snapshot(const std::string& path) {
  const Json json = Json::parse(text_of(path), nullptr, false);
  return json.is_object() && json.value("schema", "") == "leakbpf.snapshot/1";
}

/// A snapshot with `padding` bytes that mean nothing.
std::string write_snapshot(const TemporaryDirectory& folder, std::size_t padding = 0) {
  const std::string path = folder / "base.json";
  std::ofstream(path) << R"({"schema":"leakbpf.snapshot/1","targets":[],"sites":[],"x":")"
                      << std::string(padding, 'x') << "\"}";
  return path;
}

std::string make_fifo(const TemporaryDirectory& folder) {
  std::string path = folder / "fifo";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  return path;
}

/// Waits until `condition` is true; throws when it does not become so.
void wait_until(const std::string& what, const std::function<bool()>& condition) {
  for (int i = 0; i < 6000; i++) {
    if (condition())
      return;
    usleep(10'000);
  }
  throw std::runtime_error("this did not come: " + what);
}

std::string proc(pid_t pid, const std::string& file) {
  return text_of("/proc/" + std::to_string(pid) + "/" + file);
}

/// leakbpf runs, and its main thread sleeps in a call whose place in the kernel has `where` in its
/// name.
void wait_until_in(pid_t pid, const std::string& where) {
  wait_until("a wait in " + where, [&] {
    return proc(pid, "comm") == "leakbpf\n" && proc(pid, "wchan").find(where) != std::string::npos;
  });
}

bool any_thread_in(pid_t pid, const std::string& where) {
  std::error_code error;
  for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", error))
    if (text_of(task.path() / "wchan").find(where) != std::string::npos)
      return true;
  return false;
}

/// A program that leaks, with its libraries mapped.
class Demo {
public:
  Demo() : child_({built("leakbpf-demo")}) {
    wait_until("its libc",
               [&] { return proc(child_.pid(), "maps").find("/libc") != std::string::npos; });
  }
  [[nodiscard]] std::string pid() const { return std::to_string(child_.pid()); }

private:
  Child child_;
};

Words names_in(const std::string& folder) {
  Words names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename());
  return names;
}

} // namespace

TEST_CASE("a stderr that takes nothing loses messages, not the work", "[harm]") {
  require_tracing();
  const Demo program;
  const std::string redirection =
      GENERATE("2>/dev/full", "2>&-", "2> >(exec true)", "<&- >&- 2>&-");
  CAPTURE(redirection);
  const TemporaryDirectory folder;
  const Finished finished = run_program(by_shell(
      "",
      {"snapshot", "-v", "-p", program.pid() + ",4194000", "-d", "0.3", "-o", folder / "a.json"},
      redirection));
  CHECK(finished.status == 0);
  CHECK(is_snapshot(folder / "a.json"));
}

TEST_CASE("a usage error is one whatever stderr is", "[harm]") {
  for (const std::string redirection :
       {"2>/dev/full", "2>&-", "2> >(exec true)", ">&- 2>&-", "2>/dev/null"})
    CHECK(run_program(by_shell("", {"--bogus"}, redirection)).status == 2);
}

TEST_CASE("a stderr that nobody reads does not hold up the work", "[harm]") {
  require_tracing();
  const Demo program;
  const TemporaryDirectory folder;
  const Finished finished = run_program(
      by_shell("exec 2> >(exec sleep 100 >/dev/null 2>&1); reader=$!; head -c 65536 /dev/zero >&2;",
               {"snapshot", "-v", "-p", program.pid(), "-d", "0.3", "-o", folder / "a.json"},
               "; status=$?; kill $reader; exit $status"));
  CHECK(finished.status == 0);
  CHECK(is_snapshot(folder / "a.json"));
}

TEST_CASE("closed standard streams are named", "[harm]") {
  const TemporaryDirectory folder;
  const std::string base = write_snapshot(folder);
  Finished finished = run_program(by_shell("", {"report", base}, ">&-"));
  CHECK(finished.status == 6);
  CHECK_THAT(finished.output, ContainsSubstring("cannot write standard output: it is closed"));
  finished = run_program(by_shell("", {"report", "-"}, "<&-"));
  CHECK(finished.status == 6);
  CHECK_THAT(finished.output, ContainsSubstring("cannot read standard input: it is closed"));
  CHECK(run_program(by_shell("", {"--help"}, ">&-")).status == 6);
}

TEST_CASE("a signal ends what reads or writes without an end", "[harm]") {
  const TemporaryDirectory folder;
  const std::string base = write_snapshot(folder);
  const std::string fifo = make_fifo(folder);
  const int number = GENERATE(SIGINT, SIGTERM);
  const std::pair<Words, std::string> cases[]{
      {{"report", fifo}, "wait_for_partner"},
      {{"report", "-"}, "pipe_read"},
      {{"diff", base, fifo}, "wait_for_partner"},
      {{"report", base, "-o", fifo}, "wait_for_partner"},
      {{"-p", std::to_string(getpid()), "--suppressions", fifo}, "wait_for_partner"}};
  const auto& [arguments, where] = cases[GENERATE(range(0, 5))];
  CAPTURE(number, arguments);
  Words words = arguments;
  words.insert(words.begin(), built("leakbpf"));
  Child leakbpf(words);
  wait_until_in(leakbpf.pid(), where);
  leakbpf.signal(number);
  CHECK(leakbpf.wait_end() == 128 + number);
  CHECK(fs::is_fifo(fifo));
}

TEST_CASE("a live view that nobody reads goes on tracing, and ends by a signal", "[harm]") {
  require_tracing();
  const Demo program;
  const int number = GENERATE(SIGINT, SIGTERM);
  Child leakbpf({built("leakbpf"), "-q", "-p", program.pid(), "-i", "0.05", "--stacks"});
  wait_until("a full pipe", [&] { return any_thread_in(leakbpf.pid(), "pipe_write"); });
  // Whoever opens and closes windows waits for events, not for the reader.
  wait_until_in(leakbpf.pid(), "poll");
  CHECK(any_thread_in(leakbpf.pid(), "pipe_write"));
  leakbpf.signal(number);
  wait_until("the end", [&] { return leakbpf.has_ended(); });
  CHECK(leakbpf.wait_end() == 0);
}

TEST_CASE("tables that a slow reader takes are whole", "[harm]") {
  require_tracing();
  const Demo program;
  Child leakbpf({built("leakbpf"), "-q", "-p", program.pid(), "-i", "0.05", "--stacks"});
  wait_until("a full pipe", [&] { return any_thread_in(leakbpf.pid(), "pipe_write"); });
  for (int tables = 0, headings = 0; tables < 3;) {
    const std::string line = leakbpf.wait_for([](const std::string&) { return true; });
    if (line.starts_with("PID ")) {
      CHECK(headings == tables);
      tables++;
    }
    headings += line.starts_with("   #") ? 1 : 0;
  }
  leakbpf.signal(SIGTERM);
}

TEST_CASE("a result that nobody takes is given up at a signal, without a probe", "[harm]") {
  require_tracing();
  const Demo program;
  const TemporaryDirectory folder;
  const std::string fifo = make_fifo(folder);
  const auto words = GENERATE(Words{"snapshot", "-d", "0.3"}, Words{"detect", "5"});
  Words all{built("leakbpf")};
  all.insert(all.end(), words.begin(), words.end());
  all.insert(all.end(), {"-q", "-o", fifo, "-p", program.pid()});
  Child leakbpf(all);
  wait_until("a wait for a reader",
             [&] { return any_thread_in(leakbpf.pid(), "wait_for_partner"); });
  leakbpf.signal(SIGTERM);
  CHECK(leakbpf.wait_end() == 6);
  CHECK_THAT(leakbpf.rest(), ContainsSubstring("error: interrupted while " + fifo));
  CHECK(names_in(folder.path()) == Words{"fifo"});
}

TEST_CASE("a command is given the signals that leakbpf was given", "[harm]") {
  require_tracing();
  const Words show{"grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"};
  for (const std::string before : {"", "trap '' PIPE XFSZ;"}) {
    Words run{"run", "-q", "-o", "/dev/null", "--"};
    run.insert(run.end(), show.begin(), show.end());
    Words direct{"bash", "-c", before + " exec \"$0\" \"$@\""};
    direct.insert(direct.end(), show.begin(), show.end());
    CHECK(run_program(by_shell(before + " exec", run, "")).output == run_program(direct).output);
  }
}

TEST_CASE("a demo whose leakbpf is killed does not go on", "[harm]") {
  require_tracing();
  Child leakbpf({built("leakbpf"), "demo", "-d", "60"});
  const std::string line = leakbpf.wait_for(
      [](const std::string& said) { return said.find("(PID ") != std::string::npos; });
  const pid_t demo = std::stoi(line.substr(line.find("(PID ") + 5));
  REQUIRE(proc(demo, "comm") == "leakbpf-demo\n");
  leakbpf.signal(SIGKILL);
  wait_until("the end of the demo", [&] { return proc(demo, "comm") != "leakbpf-demo\n"; });
}

TEST_CASE("another user's long command line is matched in no time", "[harm]") {
  require_tracing();
  Words words{built("tests/programs/no_allocator")};
  words.resize(15, std::string(130'000, 'a'));
  Child program(words);
  wait_until("its command line", [&] { return proc(program.pid(), "cmdline").size() > 1'800'000; });
  for (const std::string pattern :
       {".*nginx-of-nobody", "(a+)+$-of-nobody", "(a|b)*nginx-of-nobody"}) {
    const Finished finished =
        run_program({built("leakbpf"), "-q", "-d", "0.1", "--name", pattern}, 30);
    INFO(finished.output);
    CHECK(finished.status == 4);
  }
}

TEST_CASE("a filter is quick on a long symbol", "[harm]") {
  const TemporaryDirectory folder;
  const std::string path = folder / "long.json";
  const Json frame{{"kind", "native"}, {"function", std::string(100'000, 'a')}, {"module", "m"}};
  const Json site{{"pid", 1},
                  {"kind", "heap"},
                  {"outstanding_bytes", 1},
                  {"outstanding_count", 1},
                  {"allocated_bytes", 1},
                  {"allocated_count", 1},
                  {"freed_bytes", 0},
                  {"freed_count", 0},
                  {"frames", Json::array({frame})}};
  std::ofstream(path) << Json{{"schema", "leakbpf.snapshot/1"},
                              {"targets", Json::array({Json{{"pid", 1}, {"comm", "x"}}})},
                              {"sites", Json::array({site})}};
  const Finished finished =
      run_program({built("leakbpf"), "report", path, "--filter", "(a+)+b|(a|a)*c"}, 30);
  INFO(finished.output);
  CHECK(finished.status == 0);
}

TEST_CASE("another user's link is not written through", "[harm]") {
  if (geteuid() != 0)
    SKIP("giving a link to another user needs root");
  const TemporaryDirectory folder;
  const std::string base = write_snapshot(folder);
  fs::create_directory(folder / "ww");
  REQUIRE(chmod((folder / "ww").c_str(), 01777) == 0);
  std::ofstream(folder / "victim") << "precious";
  fs::create_symlink(folder / "victim", folder / "ww/x.json");
  REQUIRE(lchown((folder / "ww/x.json").c_str(), 65534, 65534) == 0);
  const Finished finished =
      run_program({built("leakbpf"), "report", base, "-o", folder / "ww/x.json"});
  CHECK(finished.status == 6);
  CHECK_THAT(finished.output, ContainsSubstring("is a link of user 65534"));
  CHECK(text_of(folder / "victim") == "precious");
}

TEST_CASE("numbers that are none are refused before anything is traced", "[harm]") {
  for (const Words& words :
       {Words{"-p", "1", "-i", "nan"}, Words{"detect", "6", "nan", "-p", "1"},
        Words{"-p", "1", "-d", "nan"}, Words{"-p", "1", "--max-overhead", "nan"},
        Words{"-p", "1", "--sample-bytes", "999999999999999999999"}}) {
    Words all = words;
    all.insert(all.begin(), built("leakbpf"));
    const Finished finished = run_program(all);
    CHECK(finished.status == 2);
    CHECK_THAT(finished.output, ContainsSubstring(" takes "));
  }
}

TEST_CASE("a live view whose output fails ends with the reason", "[harm]") {
  require_tracing();
  const Demo program;
  const Words view{"-q", "-p", program.pid(), "-i", "0.1", "-d", "30"};
  Finished finished = run_program(by_shell("exec", view, ">/dev/full"), 20);
  CHECK(finished.status == 6);
  CHECK_THAT(finished.output, ContainsSubstring("cannot write standard output: No space left"));
  finished = run_program(by_shell("exec", view, ">&-"), 20);
  CHECK(finished.status == 6);
  CHECK_THAT(finished.output, ContainsSubstring("cannot write standard output: it is closed"));
  finished = run_program(by_shell("set -o pipefail;", view, "| head -1"), 20);
  CHECK(finished.status == 0);
  CHECK_THAT(finished.output, !ContainsSubstring("error"));
}

TEST_CASE("a limit on file sizes leaves nothing", "[harm]") {
  const TemporaryDirectory folder;
  const std::string base = write_snapshot(folder);
  const Finished finished = run_program(by_shell(
      "ulimit -f 1; exec", {"report", base, "--format", "html", "-o", folder / "out.html"}, ""));
  CHECK(finished.status == 6);
  CHECK_THAT(finished.output, ContainsSubstring("larger than the limit on file sizes"));
  CHECK(names_in(folder.path()) == Words{"base.json"});
}

TEST_CASE("memory that runs out is said, and for what", "[harm]") {
  const TemporaryDirectory folder;
  const std::string base = write_snapshot(folder, 200 << 20);
  const Finished finished = run_program(by_shell(
      "ulimit -v 200000; exec", {"report", "--max-memory", "8G", base, "-o", folder / "out"}, ""));
  INFO(finished.output);
  CHECK(finished.status == 3);
  CHECK_THAT(finished.output,
             StartsWith("leakbpf: error: memory ran out for the snapshot " + base));
  CHECK(names_in(folder.path()) == Words{"base.json"});
}

TEST_CASE("little memory never ends in a crash", "[harm]") {
  require_tracing();
  const Demo program;
  for (const int kilobytes : {40'000, 60'000, 80'000, 100'000, 120'000, 150'000, 200'000}) {
    const Finished finished = run_program(
        by_shell("ulimit -v " + std::to_string(kilobytes) + "; exec",
                 {"snapshot", "-q", "-p", program.pid(), "-d", "0.2", "-o", "/dev/null"}, ""));
    CAPTURE(kilobytes, finished.output);
    CHECK(finished.status <= 127);
    if (finished.status != 0)
      CHECK_THAT(finished.output, ContainsSubstring("leakbpf: error: "));
  }
}
