// SPDX-License-Identifier: Apache-2.0
// detect, and what becomes of its snapshot: report and diff. Verdicts on many shapes of memory are
// tried by tests/detect/shapes, on servers by tests/detect/servers.
#include "child.h"
#include "privileges.h"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

using namespace leakbpf::e2e;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::Matches;
using Json = nlohmann::json;

namespace {

/// tests/programs/shapes, which begins its shape when it is told to.
class Shape {
public:
  explicit Shape(const std::string& name, int seconds, const std::string& rate = "")
      : child_(command(name, seconds, rate)) {
    child_.wait_for_prefix("ready");
  }
  [[nodiscard]] std::string pid() const { return std::to_string(child_.pid()); }
  void begin() { child_.write_line(""); }
  void end() const { child_.signal(SIGKILL); }

private:
  static std::vector<std::string> command(const std::string& name, int seconds,
                                          const std::string& rate) {
    std::vector<std::string> words{built("tests/programs/shapes"), name,     "--wait", "--seconds",
                                   std::to_string(seconds),        "--seed", "3"};
    if (!rate.empty())
      words.insert(words.end(), {"--rate", rate});
    return words;
  }

  Child child_;
};

struct Detected {
  int status = 0;
  std::string output;
  Json snapshot;
};

Detected detect(Shape& shape, int seconds, const std::vector<std::string>& options = {}) {
  const TemporaryFile file;
  std::vector<std::string> command{built("leakbpf"), "detect", std::to_string(seconds), "1"};
  command.insert(command.end(), options.begin(), options.end());
  command.insert(command.end(), {"-o", file.path(), "-p", shape.pid()});
  Child tracer(command);
  tracer.wait_for_prefix("leakbpf: tracing PID");
  shape.begin();
  Detected detected;
  detected.status = tracer.wait_end();
  detected.output = tracer.rest();
  detected.snapshot = Json::parse(file.text(), nullptr, false);
  return detected;
}

const Json& verdict_of(const Detected& detected) {
  return detected.snapshot.at("targets").at(0).at("verdict");
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

} // namespace

TEST_CASE("detect names the leaking line, its severity, and ends with 1", "[detect][beside]") {
  require_tracing();
  Shape shape("leak", 20, "8");
  const Detected found = detect(shape, 20);
  INFO(found.output);
  CHECK(found.status == 1);
  CHECK(verdict_of(found).at("severity") == "high");
  CHECK_THAT(found.output, ContainsSubstring("high: leaking"));
  CHECK_THAT(found.output, ContainsSubstring("remember_order"));
  CHECK_THAT(found.output, ContainsSubstring("RSS grows"));
  const Json& site = found.snapshot.at("sites").at(0);
  CHECK(site.at("severity") == "high");
  CHECK(site.at("score").get<double>() > 0.9);
  CHECK(site.at("old_survival_percent").get<double>() > 99);
  CHECK(site.at("series").size() == found.snapshot.at("series_t_s").size());
  const Json& target = found.snapshot.at("targets").at(0);
  CHECK(target.at("memory_limit_bytes").get<std::uint64_t>() > 0);
  CHECK(target.at("seconds_to_limit").get<double>() > 0);
  CHECK(target.at("explained_percent").get<double>() > 80);
}

TEST_CASE("detect finds no leak in a steady program, and ends with 0", "[detect][beside]") {
  require_tracing();
  Shape shape("steady", 15);
  const Detected found = detect(shape, 15);
  INFO(found.output);
  CHECK(found.status == 0);
  CHECK(verdict_of(found).at("severity") == "none");
  CHECK_THAT(found.output, ContainsSubstring("none: no leak"));
}

TEST_CASE("a heap that gets fragmented is told from a leak", "[detect][beside]") {
  require_tracing();
  const TemporaryFile file;
  Child program({built("tests/programs/fragmented_heap")});
  program.wait_for_prefix("ready");
  Child tracer({built("leakbpf"), "detect", "30", "1", "-o", file.path(), "-p",
                std::to_string(program.pid())});
  CHECK(tracer.wait_end() == 0);
  const std::string output = tracer.rest();
  INFO(output);
  CHECK_THAT(output, ContainsSubstring("low: growing, but no leak is certain"));
  CHECK_THAT(output, ContainsSubstring("is fragmentation: free space in the heap grows"));
  const Json snapshot = Json::parse(file.text());
  for (const Json& site : snapshot.at("sites")) {
    CAPTURE(site);
    CHECK(site.at("severity") == "none");
  }
}

TEST_CASE("a suppressed leak is no leak, and is counted", "[detect][beside]") {
  require_tracing();
  const TemporaryFile rules;
  write_text(rules.path(), "# known\nleak:remember_order\n");
  Shape shape("leak", 15, "8");
  const Detected found = detect(shape, 15, {"--suppressions", rules.path()});
  INFO(found.output);
  CHECK(found.status == 0);
  CHECK(found.snapshot.at("suppressed").at("sites").get<int>() >= 1);
  CHECK(found.snapshot.at("suppressed").at("bytes").get<std::uint64_t>() > 1000000);
  CHECK_THAT(found.output, ContainsSubstring("suppressed"));
  CHECK_THAT(found.output, !ContainsSubstring("remember_order"));
}

TEST_CASE("mappings are judged by what of them is resident", "[detect][beside]") {
  require_tracing();
  Child program({"/usr/bin/python3", LEAKBPF_SOURCE_DIR "/tests/python/sparse_mappings.py", "9"});
  program.wait_for_prefix("ready");
  const TemporaryFile file;
  const Finished finished =
      run_program({built("leakbpf"), "snapshot", "--kinds", "heap,mmap,brk", "-d", "8", "-o",
                   file.path(), "-p", std::to_string(program.pid())});
  INFO(finished.output);
  REQUIRE(finished.status == 0);
  program.wait_for_prefix("mapped");
  const Json snapshot = Json::parse(file.text());
  for (const Json& site : snapshot.at("sites")) {
    const auto count = site.at("outstanding_count").get<std::int64_t>();
    if (site.at("kind") != "mmap" || site.at("outstanding_bytes") != count << 20 || count < 50)
      continue;
    INFO(site.dump());
    CHECK(site.at("resident_bytes") == count * 2 * 4096);
    CHECK(site.at("growth_bytes_per_min").get<double>() > 600 << 20); // of address space
    CHECK_THAT(site.at("severity").get<std::string>(), Matches("medium|high"));
    CHECK_THAT(site.at("reasons").at(0).get<std::string>(),
               ContainsSubstring("MB of address space, of which"));
    return;
  }
  FAIL("the mappings have no row");
}

TEST_CASE("a target that ends early still gives a whole file", "[detect][beside]") {
  require_tracing();
  const TemporaryFile file;
  Shape shape("leak", 60, "8");
  Child tracer({built("leakbpf"), "detect", "60", "-o", file.path(), "-p", shape.pid()});
  tracer.wait_for_prefix("leakbpf: tracing PID");
  shape.begin();
  shape.end();
  CHECK(tracer.wait_end() == 5);
  const Json snapshot = Json::parse(file.text());
  CHECK(snapshot.at("targets").at(0).at("ended").at("how") == "killed by signal 9 (Killed)");
}

TEST_CASE("Ctrl-C ends detect early with what there is", "[detect][beside]") {
  require_tracing();
  const TemporaryFile file;
  Shape shape("leak", 60, "80");
  Child tracer({built("leakbpf"), "detect", "60", "-o", file.path(), "-p", shape.pid()});
  tracer.wait_for_prefix("leakbpf: tracing PID");
  shape.begin();
  usleep(12'000'000); // there is nothing to wait for: the time that passes is what is tested
  tracer.signal(SIGINT);
  CHECK(tracer.wait_end() == 1);
  CHECK(Json::parse(file.text()).at("targets").at(0).at("verdict").at("severity") == "critical");
}

TEST_CASE("a stored snapshot is shown in every format, without privileges", "[detect][beside]") {
  require_tracing();
  Shape shape("leak", 10, "8");
  Detected found = detect(shape, 10);
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("leakbpf-report.{}", getpid());
  std::filesystem::create_directory(folder);
  const std::string snapshot = (folder / "leak.json").string();
  write_text(snapshot, found.snapshot.dump());
  std::filesystem::permissions(folder, std::filesystem::perms::all);
  const auto as_nobody = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"setpriv", "--reuid=65534", "--regid=65534",
                                         "--clear-groups", built("leakbpf")});
    return run_program(arguments);
  };
  const Finished table = as_nobody({"report", snapshot});
  CHECK(table.status == 0);
  CHECK_THAT(table.output, ContainsSubstring("remember_order"));
  const std::vector<std::pair<std::string, std::string>> formats{
      {"json", "leakbpf.snapshot/1"},
      {"folded", "remember_order"},
      {"svg", "<svg"},
      {"html", "<!DOCTYPE html>"},
      {"speedscope", "speedscope.app/file-format-schema.json"}};
  for (const auto& [format, part] : formats) {
    CAPTURE(format);
    const Finished made = as_nobody({"report", snapshot, "--format", format});
    CHECK(made.status == 0);
    CHECK_THAT(made.output, ContainsSubstring(part));
  }
  const std::string compact = (folder / "leak.leakbpf").string();
  CHECK(as_nobody({"report", snapshot, "-o", compact}).status == 0);
  CHECK(as_nobody({"report", compact}).output == table.output);
  CHECK_THAT(as_nobody({"report", compact, "--by", "function"}).output,
             ContainsSubstring("remember_order"));
  CHECK_THAT(as_nobody({"report", compact, "--filter", "no_such_thing"}).output,
             !ContainsSubstring("remember_order"));
  const Finished same = as_nobody({"diff", snapshot, compact});
  CHECK(same.status == 0);
  CHECK_THAT(same.output, ContainsSubstring("nothing changed"));
  std::filesystem::remove_all(folder);
}

TEST_CASE("a snapshot that cannot be read is one error with status 6", "[detect][beside]") {
  const TemporaryFile file;
  write_text(file.path(), "{\"schema\": \"leakbpf.snapshot/2\"}");
  for (const std::string& name : {file.path(), std::string("/no/such/snapshot.json")}) {
    const Finished finished = run_program({built("leakbpf"), "report", name});
    CHECK(finished.status == 6);
    CHECK_THAT(finished.output, ContainsSubstring("leakbpf: error: "));
  }
}
