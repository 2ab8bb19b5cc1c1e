// SPDX-License-Identifier: Apache-2.0
// What is said about a command line that is wrong.
#include "parse_words.h"

#include <utility>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

/// What the refusal says.
std::string refusal(const Words& words) {
  INFO("leakbpf" << joined(words));
  const auto parsed = parse(words);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code == ExitCode::usage);
  return parsed.error().message;
}

/// Words that are the parser's, not ours.
void check_own_words(const std::string& message) {
  for (const std::string foreign :
       {"Could not", "convert", "[", "{", "->", "not expected", "required", "excludes", "NONNEG",
        "UINT", "FLOAT", "TEXT", "REGEX", "Range", "CLI"})
    CHECK_THAT(message, !ContainsSubstring(foreign));
  CHECK(message.size() < 120);
}

struct NumericOption {
  Words before; ///< what stands in front of the value
  std::string name;
  std::string takes;
  bool in_sizes = false; ///< K, M, G are understood
};

const std::vector<NumericOption>& numeric_options() {
  static const std::vector<NumericOption> options{
      {{"-p", "1", "-i"}, "--interval", "seconds from 0.05 to 86400"},
      {{"-p", "1", "-d"}, "--duration", "seconds from 0.1 to 31536000"},
      {{"detect", "-p", "1", "-d"}, "--duration", "seconds from 5 to 31536000"},
      {{"detect", "-p", "1", "-i"}, "--interval", "seconds from 0.05 to 86400"},
      {{"detect", "6"}, "--interval", "seconds from 0.05 to 86400"},
      {{"detect"}, "--duration", "seconds from 5 to 31536000"},
      {{"-p", "1", "--min-age"}, "--min-age", "seconds from 0 to 31536000"},
      {{"-p", "1", "--max-overhead"}, "--max-overhead", "percent from 0 to 100"},
      {{"-p", "1", "--max-total-overhead"}, "--max-total-overhead", "percent from 0 to 6400"},
      {{"-p", "1", "--sample-bytes"}, "--sample-bytes", "a size from 1 to 1T", true},
      {{"-p", "1", "--min-size"}, "--min-size", "a size from 0 to 128T", true},
      {{"-p", "1", "--max-size"}, "--max-size", "a size from 0 to 128T", true},
      {{"-p", "1", "--max-live"}, "--max-live", "a size from 1 to 1G", true},
      {{"-p", "1", "--max-stacks"}, "--max-stacks", "a size from 1 to 16M", true},
      {{"-p", "1", "--max-depth"}, "--max-depth", "a whole number from 1 to 127"},
      {{"-p", "1", "-n"}, "--top", "a whole number from 0 to 1000000000"},
      {{"report", "x", "-n"}, "--top", "a whole number from 0 to 1000000000"},
      {{"diff", "x", "y", "-n"}, "--top", "a whole number from 0 to 1000000000"},
      {{"-p"}, "--pid", "PIDs from 1 to 4194304"}};
  return options;
}

TEST_CASE("what is not a number in range is refused with the option and its range", "[options]") {
  for (const NumericOption& option : numeric_options())
    for (const std::string bad :
         {"nan", "NaN", "nan(1)", "inf", "infinity", "1e21", "1e400", "-1", "-0.5", "0x10", "soon",
          "99999999999999999999999", "18446744073709551616", "1.5.2", "1,5x", "+1"}) {
      Words words = option.before;
      words.push_back(bad);
      const std::string message = refusal(words);
      CHECK_THAT(message, StartsWith(option.name + " takes " + option.takes));
      CHECK_THAT(message, ContainsSubstring(", not "));
      check_own_words(message);
    }
}

TEST_CASE("an empty number is refused", "[options]") {
  for (const NumericOption& option : numeric_options()) {
    Words words = option.before;
    if (words.back() == "-p" || words.back() == "detect" || words.back() == "6")
      continue; // no PID, no position
    words.emplace_back("");
    const std::string message = refusal(words);
    CHECK_THAT(message, StartsWith(option.name + " takes " + option.takes));
    CHECK_THAT(message, EndsWith(", not \"\""));
  }
}

TEST_CASE("sizes have units, other numbers have none", "[options]") {
  for (const NumericOption& option : numeric_options())
    for (const std::string bad : {"1Q", "1KK", "1Kx", "K", "1.5K", "16 K", "999999999999999T"}) {
      Words words = option.before;
      words.push_back(bad);
      CHECK_THAT(refusal(words), StartsWith(option.name + " takes " + option.takes));
    }
}

TEST_CASE("a long value is not repeated whole", "[options]") {
  CHECK(refusal({"-p", "1", "-i", std::string(100'000, '9')}).size() < 120);
  CHECK(refusal({"-p", std::string(100'000, '9')}).size() < 120);
}

TEST_CASE("a wrong command line is refused in plain words", "[options]") {
  const std::vector<std::pair<Words, std::string>> refusals{
      {{"-p", "1", "--no-such-option"}, "there is no option --no-such-option"},
      {{"snapshot", "-p", "1", "--nope=3"}, "snapshot has no option --nope=3"},
      {{"demo", "--pid", "1"}, "demo has no option --pid"},
      {{"frobnicate"}, "unexpected argument: frobnicate"},
      {{"snapshot", "-p", "1", "top"}, "--pid takes PIDs from 1 to 4194304, not top"},
      {{"doctor", "snapshot", "x"}, "unexpected argument: snapshot"},
      {{"-p", "1", "-i"}, "--interval needs a value"},
      {{"-p", "1", "--filter"}, "--filter needs a value"},
      {{"--name"}, "--name needs a value"},
      {{"-p"}, "--pid needs a value"},
      {{"-p", "1", "-i", "1", "-i", "2"}, "--interval may be given only once"},
      {{"-p", "1", "--exact=maybe"}, "--exact takes no value"},
      {{"-p", "1", "--exact", "--sample-bytes", "4K"},
       "--exact and --sample-bytes exclude each other"},
      {{"-p", "1", "--sort", "name"}, "--sort takes one of growth, bytes, count, age, not name"},
      {{"-p", "1", "--color", "blue"}, "--color takes one of auto, always, never, not blue"},
      {{"-p", "1", "--backend", "x"}, "--backend takes one of session, multi, perf, not x"},
      {{"-p", "1", "--kinds", "heap,x"},
       "--kinds takes one of heap, mmap, brk, python, pages, held, not x"},
      {{"-p", "1", "--by", ""},
       "--by takes one of stack, line, function, handler, module, process, not \"\""},
      {{"report"}, "report needs a snapshot"},
      {{"diff", "one"}, "diff needs two snapshots"},
      {{"diff"}, "diff needs two snapshots"},
      {{"diff", "a", "b", "c"}, "diff needs two snapshots"},
      {{"run"}, "run needs a command"},
      {{"--cgroup", ""}, "--cgroup takes a path, not \"\""},
      {{"--container", " "}, "--container takes an id, not  "}};
  for (const auto& [words, message] : refusals) {
    CHECK(refusal(words) == message);
    check_own_words(message);
  }
}

} // namespace
} // namespace leakbpf
