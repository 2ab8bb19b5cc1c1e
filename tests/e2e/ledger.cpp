// SPDX-License-Identifier: Apache-2.0
#include "ledger.h"

#include <csignal>
#include <sstream>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf::e2e {

using Json = nlohmann::json;

Ledger read_ledger(Child& program) {
  Ledger ledger;
  program.wait_for([&](const std::string& line) {
    std::istringstream words(line);
    std::string kind;
    Account account;
    if (words >> kind >> account.bytes >> account.count)
      ledger[kind] = account;
    return line == "done";
  });
  return ledger;
}

Ledger sum_sites(const Json& snapshot, pid_t pid) {
  Ledger sums{{"heap", {}}, {"mmap", {}}, {"brk", {}}};
  for (const Json& site : snapshot.at("sites")) {
    if (site.at("pid") != pid)
      continue;
    Account& sum = sums[site.at("kind")];
    sum.bytes += site.at("outstanding_bytes").get<std::int64_t>();
    sum.count += site.at("outstanding_count").get<std::int64_t>();
  }
  return sums;
}

const Json& target_of(const Json& snapshot, pid_t pid) {
  for (const Json& target : snapshot.at("targets"))
    if (target.at("pid") == pid)
      return target;
  FAIL("no target " << pid);
  return snapshot;
}

void check_nothing_missed(const Json& snapshot) {
  for (const auto& [name, value] : snapshot.at("losses").items()) {
    INFO(name);
    if (!name.starts_with("unwind_"))
      CHECK(value == 0);
  }
}

void check_no_losses(const Json& snapshot) {
  check_nothing_missed(snapshot);
  CHECK(snapshot.at("losses").at("unwind_failed") == 0);
  CHECK(snapshot.at("losses").at("unwind_truncated") == 0);
}

Session::Session(const std::vector<std::string>& command, const std::string& backend)
    : program(command) {
  program.wait_for_prefix("ready");
  std::vector<std::string> arguments{built("leakbpf"),
                                     "snapshot",
                                     "--exact",
                                     "-o",
                                     output.path(),
                                     "-p",
                                     std::to_string(program.pid())};
  if (backend != "auto")
    arguments.insert(arguments.end(), {"--backend", backend});
  tracer = std::make_unique<Child>(arguments);
  tracer->wait_for_prefix("leakbpf: tracing");
}

Json Session::finish() {
  tracer->signal(SIGINT);
  const int status = tracer->wait_end();
  INFO(tracer->rest());
  REQUIRE(status == 0);
  return Json::parse(output.text());
}

} // namespace leakbpf::e2e
