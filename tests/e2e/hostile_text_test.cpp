// SPDX-License-Identifier: Apache-2.0
// A process that calls itself by control characters shows them nowhere.
#include "../unit/harmless_text.h"
#include "child.h"
#include "privileges.h"

#include <catch2/catch_test_macros.hpp>

using namespace leakbpf;
using namespace leakbpf::e2e;

TEST_CASE("a hostile process name reaches no terminal", "[escape]") {
  require_tracing();
  // C1 control, direction, screen: 15 bytes are all that a name may have.
  Child program(
      {"/bin/sh", "-c",
       R"(printf '\033[2J\233\342\200\256x\302\233' > /proc/self/comm; echo ready; read x)",
       "\u202e\u009b argument"});
  program.wait_for_prefix("ready");
  const std::string pid = std::to_string(program.pid());
  const std::string leakbpf = built("leakbpf");
  const TemporaryFile file;
  const std::vector<std::vector<std::string>> commands{
      {leakbpf, "top", "--plain", "--color", "always", "-v", "-d", "1", "-p", pid},
      {leakbpf, "detect", "1", "1", "-p", pid},
      {leakbpf, "doctor", "-p", pid},
      {leakbpf, "snapshot", "--format", "json", "-d", "1", "-o", file.path(), "-p", pid},
      {leakbpf, "report", file.path(), "--format", "table", "--stacks"},
      {leakbpf, "report", "/nonexistent/\u202e\x9b\u009b.json"},
      {leakbpf, "top", "--name", "(\u202e\u009b"},
      {leakbpf, "--\u202e\u009b\xff"}};
  for (const auto& command : commands) {
    const Finished run = run_program(command);
    CAPTURE(command[1], run.output);
    CHECK(run.output.size() > 10);
    CHECK(harm_in(run.output, true) == "");
  }
}
