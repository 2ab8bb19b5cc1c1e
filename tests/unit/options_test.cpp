// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"
#include "parse_words.h"
#include "version.h"

#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;
using Pids = std::vector<pid_t>;

Options options(const Words& words) {
  INFO("leakbpf" << joined(words));
  auto parsed = parse(words);
  INFO((parsed ? "" : parsed.error().message));
  REQUIRE(parsed);
  CHECK_FALSE(parsed->only_text);
  return parsed->options;
}

/// With a target in front, which most need.
Options with_target(Words words) {
  words.insert(words.begin(), {"-p", "1"});
  return options(words);
}

void check_usage_error(const Words& words) {
  INFO("leakbpf" << joined(words));
  const auto parsed = parse(words);
  CHECK_FALSE(parsed);
  if (parsed)
    return;
  CHECK(parsed.error().code == ExitCode::usage);
  CHECK_FALSE(parsed.error().message.empty());
  CHECK(parsed.error().message.find('\n') == std::string::npos);
}

TEST_CASE("PIDs may be repeated, and separated by commas or blanks", "[options]") {
  CHECK(options({"-p", "17"}).pids == Pids{17});
  CHECK(options({"--pid", "17"}).pids == Pids{17});
  CHECK(options({"--pid=17"}).pids == Pids{17});
  CHECK(options({"-p17"}).pids == Pids{17});
  CHECK(options({"-p", "17", "-p", "18"}).pids == Pids{17, 18});
  CHECK(options({"-p", "17,18,19"}).pids == Pids{17, 18, 19});
  CHECK(options({"-p", "17", "18", "19"}).pids == Pids{17, 18, 19});
  CHECK(options({"-p", "17,18", "19", "-i", "2", "--pid", "20"}).pids == Pids{17, 18, 19, 20});
  CHECK(options({"snapshot", "-p", "17", "18", "--duration", "5"}).pids == Pids{17, 18});
}

TEST_CASE("targets can be selected by what they are", "[options]") {
  const Options parsed = options({"snapshot", "--name", "uvi.*corn", "--name", "celery", "--cgroup",
                                  "/system.slice/a.service", "--container", "3f2a9c0b17d2"});
  CHECK(parsed.names == Words{"uvi.*corn", "celery"});
  CHECK(parsed.cgroups == Words{"/system.slice/a.service"});
  CHECK(parsed.containers == Words{"3f2a9c0b17d2"});
  CHECK_FALSE(parsed.all);
  CHECK(parsed.pids.empty());
  CHECK(options({"-a"}).all);
  CHECK(options({"--all"}).command == Command::top);
  CHECK(options({"detect", "60", "-a"}).all);
  CHECK(options({"--name", "x", "snapshot"}).names == Words{"x"});
  CHECK(options({"detect", "60", "5", "--name", "x", "-p", "17"}).pids == Pids{17});
}

TEST_CASE("a bad selector is a usage error", "[options]") {
  check_usage_error({"--name", "("});
  check_usage_error({"--name"});
  check_usage_error({"--name", "a", "b"});
  check_usage_error({"--cgroup", ""});
  check_usage_error({"--container", " "});
  check_usage_error({"-a", "demo"});
  check_usage_error({"--name", "x", "doctor"});
  check_usage_error({"run", "-a", "--", "true"});
  check_usage_error({"report", "--name", "x", "leak.json"});
}

TEST_CASE("run takes a command and leaves its words alone", "[options]") {
  const Options run =
      options({"run", "--python-malloc", "-n", "5", "--", "python3", "-c", "x", "-p"});
  CHECK(run.command == Command::run);
  CHECK(run.command_line == Words{"python3", "-c", "x", "-p"});
  CHECK(run.python_malloc);
  CHECK(run.top == 5);
  check_usage_error({"run"});
  check_usage_error({"run", "-p", "1", "--", "true"});
  check_usage_error({"run", "-d", "5", "--", "true"});
  check_usage_error({"run", "--kinds", "python", "--", "true"});
  check_usage_error({"snapshot", "-p", "1", "--python-malloc"});
}

TEST_CASE("rows are made by what is asked for", "[options]") {
  CHECK(with_target({}).group_by == std::nullopt);
  CHECK(with_target({"--by", "stack"}).group_by == GroupBy::stack);
  CHECK(with_target({"--by", "line"}).group_by == GroupBy::line);
  CHECK(with_target({"--by", "handler"}).group_by == GroupBy::handler);
  CHECK(with_target({"--by", "process"}).group_by == GroupBy::process);
  check_usage_error({"-p", "1", "--by", "colour"});
  CHECK(with_target({"--no-python"}).no_python);
}

TEST_CASE("top is the default command", "[options]") {
  CHECK(options({"-p", "1"}).command == Command::top);
  CHECK(options({"top", "-p", "1"}).command == Command::top);
  CHECK(options({"snapshot", "-p", "1"}).command == Command::snapshot);
  CHECK(options({"doctor"}).command == Command::doctor);
  CHECK(options({"doctor", "-p", "5"}).pids == Pids{5});
  CHECK(options({"demo"}).command == Command::demo);
}

TEST_CASE("options may stand before the command", "[options]") {
  const Options parsed = options({"-p", "1", "snapshot", "-o", "out"});
  CHECK(parsed.command == Command::snapshot);
  CHECK(parsed.pids == Pids{1});
}

TEST_CASE("the defaults are those of the contract", "[options]") {
  const Options parsed = options({"-p", "1"});
  CHECK(parsed.follow_forks);
  CHECK_FALSE(parsed.exact);
  CHECK(!parsed.sample_bytes);
  CHECK(!parsed.max_overhead_percent);
  CHECK(parsed.min_age_seconds == 0);
  CHECK(parsed.max_depth == 127);
  CHECK_FALSE(parsed.interval_seconds);
  CHECK(parsed.top == 20);
  CHECK(parsed.sort == SortOrder::growth);
  CHECK(parsed.color == ColorMode::automatic);
  CHECK_FALSE(parsed.duration_seconds);
  CHECK_FALSE(parsed.backend);
}

TEST_CASE("sizes accept K, M and G", "[options]") {
  CHECK(with_target({"--sample-bytes", "1"}).sample_bytes == 1);
  CHECK(with_target({"--sample-bytes", "16K"}).sample_bytes == 16384);
  CHECK(with_target({"--min-size", "4M"}).min_size == 4 << 20);
  CHECK(with_target({"--max-size", "1G"}).max_size == 1 << 30);
  CHECK(with_target({"--max-size", "2g"}).max_size == 2LL << 30);
  CHECK(with_target({"--min-size", "0"}).min_size == 0);
  CHECK(with_target({"--min-size", "4096", "--max-size", "4K"}).min_size == 4096);
  CHECK(with_target({"--max-live", "64K"}).max_live.value() == 65536);
}

TEST_CASE("each option sets its own value", "[options]") {
  CHECK_FALSE(with_target({"--no-follow-forks"}).follow_forks);
  CHECK(with_target({"--follow-forks"}).follow_forks);
  CHECK(with_target({"--exact"}).exact);
  CHECK(with_target({"--max-overhead", "0"}).max_overhead_percent == 0);
  CHECK(with_target({"--min-age", "2.5"}).min_age_seconds == 2.5);
  CHECK(with_target({"--max-depth", "16"}).max_depth == 16);
  CHECK(with_target({"--symbol-prefix", "je_"}).symbol_prefix == "je_");
  CHECK(with_target({"--kinds", "heap,brk"}).kinds == Words{"heap", "brk"});
  CHECK(with_target({"--kinds", "mmap,brk,pages"}).kinds == Words{"mmap", "brk", "pages"});
  CHECK(with_target({"--object", "/a", "--object", "/b"}).objects == Words{"/a", "/b"});
  CHECK(with_target({"-n", "5"}).top == 5);
  CHECK(with_target({"--sort", "bytes"}).sort == SortOrder::bytes);
  CHECK(with_target({"--color", "never"}).color == ColorMode::never);
  CHECK(with_target({"-d", "10"}).duration_seconds.value() == 10);
  CHECK(with_target({"--backend", "perf"}).backend.value() == Backend::perf);
  CHECK(with_target({"--plain", "-q", "--stacks"}).stacks);
}

TEST_CASE("a snapshot has an output and a format", "[options]") {
  const Options parsed = options({"snapshot", "-p", "1", "-o", "out", "--format", "json"});
  CHECK(parsed.output == "out");
  CHECK(parsed.format.value() == Format::json);
  CHECK_FALSE(options({"snapshot", "-p", "1"}).format);
}

TEST_CASE("a command that traces needs a target", "[options]") {
  for (const Words& words : std::vector<Words>{{}, {"top"}, {"snapshot"}, {"--exact"}, {"-p"}})
    check_usage_error(words);
  CHECK(parse({"snapshot"}).error().message == "no target given");
  CHECK_FALSE(parse({}).error().hint.empty());
}

TEST_CASE("a bad PID is a usage error", "[options]") {
  for (const std::string pid : {"x", "0", "-5", "1.5", "17x", "99999999999", "17,,x"})
    check_usage_error({"-p", pid});
}

TEST_CASE("a bad value is a usage error", "[options]") {
  const std::vector<Words> bad{{"--sample-bytes", "x"},
                               {"--sample-bytes", "0"},
                               {"--sample-bytes", "-16K"},
                               {"--sample-bytes", "16Q"},
                               {"--sample-bytes", "K"},
                               {"--min-size", "-1"},
                               {"--max-size", "99999999999G"},
                               {"--min-age", "-1"},
                               {"--max-overhead", "-1"},
                               {"--max-overhead", "101"},
                               {"--max-depth", "0"},
                               {"--max-depth", "128"},
                               {"--max-live", "0"},
                               {"--interval", "0"},
                               {"--duration", "-3"},
                               {"--duration", "soon"},
                               {"-n", "-1"},
                               {"--kinds", "stack"},
                               {"--sort", "name"},
                               {"--color", "blue"},
                               {"--backend", "magic"},
                               {"--sample-bytes"}};
  for (Words words : bad) {
    words.insert(words.begin(), {"-p", "1"});
    check_usage_error(words);
  }
}

TEST_CASE("detect takes its duration and interval in front of the target", "[options]") {
  const Options parsed = options({"detect", "300", "10", "-p", "17", "18"});
  CHECK(parsed.command == Command::detect);
  CHECK(parsed.duration_seconds == 300);
  CHECK(parsed.interval_seconds == 10);
  CHECK(parsed.pids == Pids{17, 18});
  CHECK_FALSE(options({"detect", "-p", "17"}).duration_seconds);
  CHECK(options({"detect", "60", "-p", "17"}).duration_seconds == 60);
  CHECK(options({"detect", "-d", "60", "-p", "17"}).duration_seconds == 60);
  check_usage_error({"detect", "60"});
  check_usage_error({"detect", "2", "-p", "17"}); // too short for a verdict
  check_usage_error({"detect", "soon", "-p", "17"});
}

TEST_CASE("report and diff read files and need no target", "[options]") {
  const Options report = options({"report", "leak.json", "--format", "svg", "--debuginfod"});
  CHECK(report.command == Command::report);
  CHECK(report.files == Words{"leak.json"});
  CHECK(report.format == Format::svg);
  CHECK(report.debuginfod);
  const Options diff = options({"diff", "before.json", "after.leakbpf", "-o", "d.html"});
  CHECK(diff.command == Command::diff);
  CHECK(diff.files == Words{"before.json", "after.leakbpf"});
  check_usage_error({"report"});
  check_usage_error({"diff", "one.json"});
  check_usage_error({"diff", "a", "b", "c"});
}

TEST_CASE("a filter is a regular expression, suppressions are files", "[options]") {
  CHECK(with_target({"--filter", "Cart::.*"}).filter == "Cart::.*");
  check_usage_error({"-p", "1", "--filter", "("});
  CHECK(with_target({"--suppressions", "a", "--suppressions", "b"}).suppression_files ==
        Words{"a", "b"});
}

TEST_CASE("options that contradict each other are a usage error", "[options]") {
  check_usage_error({"-p", "1", "--exact", "--sample-bytes", "4K"});
  check_usage_error({"-p", "1", "--sample-bytes", "4K", "--exact"});
  check_usage_error({"-p", "1", "--min-size", "2K", "--max-size", "1K"});
}

TEST_CASE("an unknown option or word is a usage error", "[options]") {
  check_usage_error({"-p", "1", "--no-such-option"});
  check_usage_error({"-p", "1", "-Z"});
  check_usage_error({"frobnicate"});
  check_usage_error({"demo", "--pid", "1"});
  check_usage_error({"snapshot", "-p", "1", "--format", "xml"});
  check_usage_error({"snapshot", "-p", "1", "top"});
}

std::string text_for(const Words& words) {
  const auto parsed = parse(words);
  REQUIRE(parsed);
  CHECK(parsed->only_text);
  CHECK(parsed->text.ends_with("\n"));
  return parsed->text;
}

TEST_CASE("help lists commands and options and needs no target", "[options]") {
  for (const std::string word : {"-h", "--help"}) {
    const std::string text = text_for({word});
    for (const std::string part : {"snapshot", "doctor", "demo", "--pid", "--name", "--cgroup",
                                   "--container", "--all", "--exact", "--version"})
      CHECK_THAT(text, ContainsSubstring(part));
  }
  CHECK_THAT(text_for({"snapshot", "--help"}), ContainsSubstring("--format"));
}

TEST_CASE("the version is one line", "[options]") {
  CHECK(text_for({"--version"}) == std::string("leakbpf ") + version + "\n");
}

} // namespace
} // namespace leakbpf
