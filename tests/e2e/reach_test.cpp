// SPDX-License-Identifier: Apache-2.0
// Who has pointers to what leaks: against a program that knows it.
#include "child.h"
#include "privileges.h"

#include <map>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

using namespace leakbpf::e2e;
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

namespace {

bool is_in(const Json& site, const std::string& function) {
  for (const Json& frame : site.at("frames"))
    if (frame.at("function").is_string() &&
        frame.at("function").get<std::string>().find(function) != std::string::npos)
      return true;
  return false;
}

} // namespace

TEST_CASE("what leaks is lost, or held by whom has pointers to it", "[reach]") {
  require_tracing();
  Child program({built("tests/programs/reachable")});
  program.wait_for_prefix("ready");
  const TemporaryFile file;
  const Finished found = run_program({built("leakbpf"), "detect", "44", "5", "-o", file.path(),
                                      "-p", std::to_string(program.pid())},
                                     90);
  INFO(found.output);
  CHECK(found.status == 1);
  const Json snapshot = Json::parse(file.text());
  const std::map<std::string, std::string> holders{
      {"lose", ""},
      {"put_into_table", "`(anonymous namespace)::table`"},
      {"put_into_chain", "`(anonymous namespace)::chain`"},
      {"keep_in_frame", "the main thread's stack"}};
  std::size_t seen = 0;
  for (const Json& site : snapshot.at("sites"))
    for (const auto& [function, by] : holders) {
      if (!is_in(site, function) || !site.contains("reach"))
        continue;
      seen++;
      INFO(function << " " << site.at("reach").dump());
      const Json& reach = site.at("reach");
      CHECK(reach.at("verdict") == (by.empty() ? "lost" : "held"));
      CHECK(reach.at("share").get<double>() >= 0.9);
      CHECK(reach.at("blocks").get<int>() >= 4);
      if (!by.empty())
        CHECK_THAT(reach.at("by").get<std::string>(), ContainsSubstring(by));
    }
  CHECK(seen == holders.size());
  CHECK_THAT(found.output, ContainsSubstring("old blocks"));
}
