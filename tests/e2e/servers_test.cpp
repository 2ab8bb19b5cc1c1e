// SPDX-License-Identifier: Apache-2.0
// Servers that we did not write, under load: they answer everything, and do not restart.
#include "child.h"
#include "privileges.h"
#include "server.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

using namespace leakbpf::e2e;
using Json = nlohmann::json;

namespace {

/// leakbpf's live view beside a load; both to their ends.
struct Loaded {
  std::string table;
  std::string load;
};

Loaded trace_under_load(pid_t pid, const std::string& load) {
  Child tracer({built("leakbpf"), "-p", std::to_string(pid), "-i", "1"});
  tracer.wait_for_prefix("leakbpf: tracing");
  const Finished loaded = run_program({"sh", "-c", load}, 120);
  CHECK(loaded.status == 0);
  tracer.signal(SIGINT);
  CHECK(tracer.wait_end() == 0);
  return {tracer.rest(), loaded.output};
}

void check_a_table_each_second(const std::string& table, std::size_t at_least) {
  std::size_t tables = 0;
  for (std::size_t at = 0; (at = table.find("severity", at)) != std::string::npos; at++)
    tables++;
  INFO(table);
  CHECK(tables >= at_least);
  CHECK(table.find(" hits") != std::string::npos);
}

} // namespace

TEST_CASE("uvicorn under load loses no request", "[servers]") {
  require_tracing();
  require_program("uvicorn");
  require_program("wrk");
  const std::string folder =
      std::filesystem::temp_directory_path() / ("leakbpf-uvicorn-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  std::ofstream(folder + "/shop.py")
      << "from fastapi import FastAPI\n"
         "app = FastAPI()\n"
         "@app.get('/')\n"
         "def items():\n"
         "    return [{'id': i, 'name': 'item %d' % i} for i in range(50)]\n";
  Child server(
      {"uvicorn", "--app-dir", folder, "shop:app", "--port", "18231", "--log-level", "warning"});
  const std::string address = "http://127.0.0.1:18231/";
  wait_until("python3 -c \"import urllib.request; urllib.request.urlopen('" + address + "')\"");
  const Loaded result = trace_under_load(server.pid(), "wrk -t1 -c8 -d4 " + address);
  INFO(result.load);
  check_a_table_each_second(result.table, 3);
  CHECK(result.load.find("Socket errors") == std::string::npos);
  CHECK(result.load.find("Non-2xx") == std::string::npos);
  CHECK(std::regex_search(result.load, std::regex("[1-9][0-9]* requests in")));
  CHECK(kill(server.pid(), 0) == 0);
  std::filesystem::remove_all(folder);
}

TEST_CASE("redis under load loses no request", "[servers]") {
  require_tracing();
  require_program("redis-server");
  require_program("redis-benchmark");
  Child server({"redis-server", "--port", "18232", "--save", "", "--appendonly", "no"});
  wait_until("redis-cli -p 18232 ping | grep -q PONG");
  const Loaded result = trace_under_load(
      server.pid(), "redis-benchmark -p 18232 -n 60000 -c 20 -t set,get,lpush --csv 2>&1; "
                    "redis-cli -p 18232 info stats | grep -E 'total_error_replies:0'");
  INFO(result.load);
  check_a_table_each_second(result.table, 2);
  CHECK(result.load.find("rror") == result.load.find("rror_replies:0"));
  CHECK(kill(server.pid(), 0) == 0);
}
