// SPDX-License-Identifier: Apache-2.0
// A server with several workers, one leak in all of them: one row by line, one for each by process.
#include "child.h"
#include "privileges.h"
#include "server.h"
#include "sites.h"

#include <csignal>
#include <set>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <nlohmann/json.hpp>

using namespace leakbpf::e2e;
using Json = nlohmann::json;

namespace {

/// The heap's rows, by `grouping`, of a snapshot of the workers under load.
std::vector<Json> heap_rows_by(const std::string& grouping, const LeakyService& server,
                               const std::vector<std::string>& targets) {
  const TemporaryFile output;
  std::vector<std::string> command{
      built("leakbpf"), "snapshot", "--exact", "--by", grouping, "-d", "12", "-o", output.path()};
  command.insert(command.end(), targets.begin(), targets.end());
  Child tracer(command);
  tracer.wait_for_prefix("leakbpf: tracing");
  // Each request in a connection of its own, else one worker may take them all.
  const Finished load = run_program(
      {"wrk", "-t1", "-c16", "-d10", "-H", "Connection: close", server.address() + "large"}, 60);
  INFO(load.output);
  CHECK(load.output.find("Socket errors") == std::string::npos);
  REQUIRE(tracer.wait_end() == 0);
  std::vector<Json> rows;
  const Json snapshot = Json::parse(output.text());
  for (const Json& row : snapshot.at("sites"))
    if (row.at("kind") == "heap")
      rows.push_back(row);
  return rows;
}

} // namespace

TEST_CASE("one leak in four workers is one row by line, four by process",
          "[servers][many][beside]") {
  require_tracing();
  require_program("uvicorn");
  require_program("wrk");
  const LeakyService server({"--workers", "4"});
  const bool by_name = GENERATE(false, true);
  const std::vector<std::string> targets{by_name ? "--name" : "-p",
                                         by_name ? server.name() : server.pid()};
  CAPTURE(targets);
  const std::vector<Json> lines = heap_rows_by("line", server, targets);
  std::size_t leaks = 0;
  for (const Json& row : lines)
    leaks += culprit_of(row) == "remember_session" ? 1 : 0;
  CHECK(leaks == 1);
  CHECK(culprit_of(lines.at(0)) == "remember_session");
  std::set<int> workers;
  const std::vector<Json> processes = heap_rows_by("process", server, targets);
  for (std::size_t i = 0; i < 4; i++) {
    CHECK(processes.at(i).at("outstanding_bytes") > 20000);
    workers.insert(processes.at(i).at("pid").get<int>());
  }
  CHECK(workers.size() == 4);
}
