// SPDX-License-Identifier: Apache-2.0
#include "core/suppressions.h"
#include "temporary_directory.h"

#include <filesystem>
#include <set>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;

Frame rule_frame(const std::string& function, const std::string& file = "",
                 const std::string& module = "/srv/app/shop") {
  Frame rule_frame;
  rule_frame.function = function;
  rule_frame.file = file;
  rule_frame.module = module;
  return rule_frame;
}

Frame of_kind(FrameKind kind, Frame rule_frame) {
  rule_frame.kind = kind;
  return rule_frame;
}

Suppressions parsed(const std::string& text) {
  auto suppressions = Suppressions::parse(text, "leaks.supp");
  REQUIRE(suppressions);
  return *suppressions;
}

/// Name of the rule that hides `frames`; empty: none.
std::string hidden_by(const Suppressions& suppressions, const Frames& frames) {
  const Suppression* rule = suppressions.match(frames);
  return rule ? rule->name : "";
}

Error rule_error(const std::string& text) {
  const auto suppressions = Suppressions::parse(text, "leaks.supp");
  REQUIRE_FALSE(suppressions);
  CHECK(suppressions.error().code == ExitCode::usage);
  CHECK_FALSE(suppressions.error().hint.empty());
  return suppressions.error();
}

const std::string libc_path = "/usr/lib/x86_64-linux-gnu/libc.so.6";
const std::string loader = "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
const Frames stack = {rule_frame("operator new(unsigned long)", "", "/usr/lib/libstdc++.so.6"),
                      rule_frame("Cart::add(Item const&)", "/src/shop/cart.cpp"),
                      rule_frame("main", "/src/shop/main.cpp"),
                      rule_frame("__libc_start_main", "", libc_path)};

TEST_CASE("blank lines, comments and blanks around a line are passed over", "[suppressions]") {
  const Suppressions suppressions = parsed("# leak:main\n\n   \t\r\n  # indented\n"
                                           " \tleak:one \t\r\nleak:two words\r\nleak:last");
  REQUIRE(suppressions.rules().size() == 3);
  CHECK(suppressions.rules()[0].name == "one");
  CHECK(suppressions.rules()[1].name == "two words");
  CHECK(suppressions.rules()[2].name == "last");
  CHECK(parsed("").rules().empty());
}

TEST_CASE("a pattern may hold colons and number signs", "[suppressions]") {
  CHECK(hidden_by(parsed("leak:Cart::add"), stack) == "Cart::add");
  CHECK(parsed("leak:a#b # c").rules()[0].name == "a#b # c");
}

TEST_CASE("other sanitizers' suppressions are passed over", "[suppressions]") {
  const Suppressions suppressions = parsed("race:main\nvptr:main\ninterceptor_via_lib:main\n"
                                           "signed-integer-overflow:main.cpp\nleak:nothing\n"
                                           "call-stack-contains:main\nrace:\n");
  CHECK(suppressions.rules().size() == 1);
  CHECK(hidden_by(suppressions, stack).empty());
}

TEST_CASE("a line of no known form is an error that says where", "[suppressions]") {
  const std::string line = GENERATE("main", "leek:main", "Leak:main", "leak", ":main", "leak :main",
                                    "{", "leak main", "fun:main");
  CAPTURE(line);
  const Error error = rule_error("# first\nleak:fine\n" + line + "\nleak:more\n");
  CHECK(error.message == "line 3 of leaks.supp is not a suppression");
}

TEST_CASE("a suppression without a pattern is an error", "[suppressions]") {
  const std::string pattern = GENERATE("", "^", "$", "^$", "  ");
  CHECK(rule_error("leak:" + pattern).message ==
        "line 1 of leaks.supp has a suppression without a pattern");
}

TEST_CASE("function, source file and module of each frame are looked at", "[suppressions]") {
  const std::string pattern = GENERATE("^Cart::add", "cart.cpp$", "/src/*/cart.cpp",
                                       "^/srv/app/shop$", "libc.so", "^main$");
  CAPTURE(pattern);
  CHECK(hidden_by(parsed("leak:" + pattern), stack) == pattern);
  CHECK(hidden_by(parsed("leak:" + pattern + "?"), stack).empty());
}

TEST_CASE("the innermost frame, then the first line that matches it, hides", "[suppressions]") {
  CHECK(hidden_by(parsed("leak:main\nleak:add\nleak:Cart"), stack) == "add");
  CHECK(hidden_by(parsed("leak:Cart\nleak:add\nleak:main"), stack) == "Cart");
  CHECK(hidden_by(parsed("leak:nothing"), stack).empty());
  CHECK(hidden_by(parsed("leak:*"), {}).empty());
  CHECK(hidden_by(Suppressions(), stack).empty());
}

TEST_CASE("Python's and the kernel's frames are matched, notes are not", "[suppressions]") {
  const Suppressions suppressions = parsed("leak:handler");
  CHECK(hidden_by(suppressions, {of_kind(FrameKind::python, rule_frame("handler"))}) == "handler");
  CHECK(hidden_by(suppressions, {of_kind(FrameKind::python, rule_frame("f", "/app/handler.py"))}) ==
        "handler");
  CHECK(hidden_by(suppressions, {of_kind(FrameKind::kernel, rule_frame("handler"))}) == "handler");
  CHECK(hidden_by(suppressions, {of_kind(FrameKind::note, rule_frame("handler"))}).empty());
}

TEST_CASE("a frame that many stacks share is looked at once", "[suppressions]") {
  const Suppressions suppressions = parsed("leak:add");
  SuppressionMatcher matcher(suppressions);
  const FrameRef shared = rule_frame("add");
  const FrameRef other = rule_frame("main");
  const Suppression* rule = matcher.match({other, shared});
  REQUIRE(rule);
  CHECK(matcher.match({shared}) == rule);
  CHECK(matcher.match({other, other}) == nullptr);
  CHECK(matcher.match({rule_frame("again::add")}) == rule);
}

TEST_CASE("lists are put together in their order", "[suppressions]") {
  Suppressions suppressions = parsed("leak:nothing");
  suppressions.add(parsed("leak:Cart\nleak:add"));
  CHECK(suppressions.rules().size() == 3);
  CHECK(hidden_by(suppressions, stack) == "Cart");
  suppressions.add(suppressions);
  CHECK(suppressions.rules().size() == 6);
  CHECK(suppressions.rules()[5].name == "add");
}

TEST_CASE("suppressions are read from a file", "[suppressions]") {
  const TemporaryDirectory folder;
  write_text(folder / "good", "leak:Cart\n");
  const auto good = Suppressions::load(folder / "good");
  REQUIRE(good);
  CHECK(hidden_by(*good, stack) == "Cart");
  write_text(folder / "bad", "leak:Cart\nCart\n");
  const auto bad = Suppressions::load(folder / "bad");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code == ExitCode::usage);
  CHECK_THAT(bad.error().message, ContainsSubstring("line 2 of " + folder.path() + "/bad"));
  write_text(folder / "empty", "");
  CHECK(Suppressions::load(folder / "empty"));
}

TEST_CASE("a file that cannot be read is an I/O error", "[suppressions]") {
  const TemporaryDirectory folder;
  const auto missing = Suppressions::load(folder / "missing");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ExitCode::io);
  CHECK_THAT(missing.error().message, ContainsSubstring("No such file"));
  const auto directory = Suppressions::load(folder.path());
  REQUIRE_FALSE(directory);
  CHECK(directory.error().code == ExitCode::io);
  const auto endless = Suppressions::load("/dev/zero");
  REQUIRE_FALSE(endless);
  CHECK(endless.error().code == ExitCode::io);
  CHECK_THAT(endless.error().message, ContainsSubstring("too large"));
}

TEST_CASE("built-in: what libraries set up once is hidden", "[suppressions]") {
  const Suppressions builtin = Suppressions::builtin();
  const Frame caller = rule_frame("main", "/src/main.cpp");
  CHECK(hidden_by(builtin, {rule_frame("setlocale", "", libc_path), caller}) ==
        "built-in: setlocale");
  CHECK(hidden_by(builtin, {rule_frame("", "", "/lib/libc-2.31.so"),
                            rule_frame("localtime", "", "/lib/libc-2.31.so"), caller}) ==
        "built-in: localtime");
  CHECK(hidden_by(builtin, {rule_frame("tzset", "", "/lib/ld-musl-x86_64.so.1"), caller}) ==
        "built-in: tzset");
  CHECK(hidden_by(builtin, {rule_frame("std::ios_base::sync_with_stdio(bool)", "",
                                       "/usr/lib/libstdc++.so.6.0.30"),
                            caller}) == "built-in: std::ios_base::sync_with_stdio(bool)");
}

TEST_CASE("built-in: rules are about the libraries' own functions", "[suppressions]") {
  const Suppressions builtin = Suppressions::builtin();
  CHECK(hidden_by(builtin, {rule_frame("setlocale")}).empty()); // of the application
  CHECK(hidden_by(builtin, {rule_frame("", "", libc_path)}).empty());
  CHECK(hidden_by(builtin, {rule_frame("my_setlocale", "", libc_path)}).empty());
  CHECK(hidden_by(builtin, {rule_frame("setlocale", "", "/srv/libc.so/shop")}).empty());
  CHECK(hidden_by(builtin, {rule_frame("std::ios_base::Init::Init()", "", libc_path)}).empty());
  // A Python function of that name, and nothing that can be done over and over.
  CHECK(hidden_by(builtin, {of_kind(FrameKind::python, rule_frame("localtime", "", libc_path))})
            .empty());
  const std::string function = GENERATE("fopen", "dlopen", "newlocale", "iconv_open", "setenv",
                                        "atexit", "pthread_create", "strdup", "fputs", "malloc");
  CHECK(hidden_by(builtin, {rule_frame(function, "", libc_path), rule_frame("main")}).empty());
}

TEST_CASE("built-in: only at the start is the loader the outermost frame", "[suppressions]") {
  const Suppressions builtin = Suppressions::builtin();
  const Frame constructor = rule_frame("", "", "/usr/lib/libstdc++.so.6.0.30");
  const Frame init = rule_frame("_dl_init", "", loader);
  const Frame start = rule_frame("", "", loader);
  const std::string name = "built-in: start by the dynamic loader";
  CHECK(hidden_by(builtin, {constructor, init, start}) == name);
  CHECK(hidden_by(builtin, {constructor, rule_frame("_dl_init", "", "/lib/ld-2.31.so")}) == name);
  CHECK(hidden_by(builtin,
                  {constructor, init, rule_frame("dlopen", "", libc_path), rule_frame("main")})
            .empty());
  // A stack that was cut off at the loader may go on to main().
  const Frame note = of_kind(FrameKind::note, rule_frame("stack cut off", "", loader));
  CHECK(hidden_by(builtin, {constructor, init, note}).empty());
  // musl's threads begin in the same file as its loader.
  CHECK(hidden_by(builtin, {constructor, rule_frame("", "", "/lib/ld-musl-x86_64.so.1")}).empty());
}

TEST_CASE("the user's rules go before the built-in ones", "[suppressions]") {
  Suppressions both = Suppressions::builtin();
  both.add(parsed("leak:^main$"));
  CHECK(hidden_by(both, {rule_frame("setlocale", "", libc_path), rule_frame("main")}) == "^main$");
}

TEST_CASE("built-in rules are all different", "[suppressions]") {
  const Suppressions builtin = Suppressions::builtin();
  std::set<std::string> names;
  for (const Suppression& rule : builtin.rules()) {
    CHECK(rule.is_builtin());
    CHECK(names.insert(rule.name).second);
  }
  CHECK(names.size() > 10);
}

} // namespace
} // namespace leakbpf
