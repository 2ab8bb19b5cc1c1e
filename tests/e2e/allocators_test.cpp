// SPDX-License-Identifier: Apache-2.0
// The matrix of allocators, ways of linking and languages: what leakbpf counts is what the program
// itself counts, to the byte.
#include "ledger.h"
#include "privileges.h"

#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>

using namespace leakbpf::e2e;
using Json = nlohmann::json;

namespace {

/// One cell of the matrix: a program of tests/programs, the case that it runs ("" for the one that
/// it has), and what is preloaded.
struct Cell {
  std::string program;
  std::string which;
  std::string preloaded = {};
  friend std::ostream& operator<<(std::ostream& out, const Cell& cell) {
    return out << cell.program << " " << cell.which << " " << cell.preloaded;
  }
};

std::string library(const std::string& name) {
  return "/usr/lib/x86_64-linux-gnu/lib" + name;
}

const Cell by_language[] = {
    {"ledger", "family"},
    {"allocator_family", "c"},
    {"ledger_glibc_static", "family"},
    {"allocator_family_glibc_static", "c"},
    {"allocator_family_musl", "c"},
    {"allocator_family_musl_static", "c"},
    {"allocator_rust", ""},
    {"allocator_rust_jemalloc", ""},
    {"allocator_family", "c23", "c23_allocator.so"},
};

const Cell with_jemalloc[] = {
    {"ledger", "family", library("jemalloc.so.2")},
    {"allocator_family", "c", library("jemalloc.so.2")},
    {"ledger_jemalloc", "family"},
    {"allocator_family_jemalloc", "jemalloc"},
    {"ledger_jemalloc_inside", "family"},
    {"ledger_jemalloc_static", "family"},
    {"allocator_family_jemalloc_static", "jemalloc"},
    {"allocator_family_je_", "jemalloc"},
    {"allocator_family__rjem_", "jemalloc"},
    {"allocator_rust", "", library("jemalloc.so.2")},
};

const Cell with_tcmalloc[] = {
    {"ledger", "family", library("tcmalloc_minimal.so.4")},
    {"ledger", "family", library("tcmalloc.so.4")},
    {"allocator_family", "c", library("tcmalloc_minimal.so.4")},
    {"ledger_tcmalloc", "family"},
    {"ledger_tcmalloc_minimal", "family"},
    {"allocator_family_tcmalloc_minimal", "tcmalloc"},
    {"ledger_tcmalloc_minimal_inside", "family"},
    {"ledger_tcmalloc_minimal_static", "family"},
    {"allocator_family_tcmalloc_minimal_static", "tcmalloc"},
    {"allocator_rust", "", library("tcmalloc_minimal.so.4")},
};

const Cell with_mimalloc[] = {
    {"ledger", "family", library("mimalloc.so.2.0")},
    {"allocator_family", "c", library("mimalloc.so.2.0")},
    {"ledger_mimalloc", "family"},
    {"allocator_family_mimalloc", "mimalloc"},
    {"ledger_mimalloc_inside", "family"},
    {"allocator_family_mimalloc_inside", "mimalloc"},
    {"ledger_mimalloc_static", "family"},
    {"allocator_family_mimalloc_static", "mimalloc"},
    {"allocator_rust", "", library("mimalloc.so.2.0")},
};

const Cell stripped[] = {
    {"ledger_glibc_static_debuglink", "family"},
    {"ledger_glibc_static_minidebug", "family"},
    {"ledger_jemalloc_inside_stripped", "family"}, // what libc calls is exported
    {"ledger_jemalloc_inside_debuglink", "family"},
    {"ledger_jemalloc_inside_minidebug", "family"},
    {"ledger_jemalloc_static_debuglink", "family"},
    {"ledger_jemalloc_static_minidebug", "family"},
    {"ledger_tcmalloc_minimal_inside_stripped", "family"},
    {"ledger_tcmalloc_minimal_static_debuglink", "family"},
    {"ledger_tcmalloc_minimal_static_minidebug", "family"},
    {"ledger_mimalloc_inside_stripped", "family"},
    {"ledger_mimalloc_static_debuglink", "family"},
    {"ledger_mimalloc_static_minidebug", "family"},
};

std::string find_file(const std::string& name) {
  std::string path = name.starts_with("/") ? name : built("tests/programs/" + name);
  if (!std::filesystem::exists(path))
    SKIP(path << " is not there");
  return path;
}

std::vector<std::string> command_of(const Cell& cell) {
  std::vector<std::string> command;
  if (!cell.preloaded.empty())
    command = {"env", "LD_PRELOAD=" + find_file(cell.preloaded)};
  command.push_back(find_file(cell.program));
  if (!cell.which.empty())
    command.push_back(cell.which);
  return command;
}

void check_cell(const Cell& cell) {
  require_tracing();
  CAPTURE(cell);
  Session session(command_of(cell), "auto");
  session.program.write_line("go");
  const Ledger ledger = read_ledger(session.program);
  const Json snapshot = session.finish();
  CHECK(ledger.at("heap").count > 100);
  CHECK(sum_sites(snapshot, session.program.pid()).at("heap") == ledger.at("heap"));
  check_nothing_missed(snapshot);
}

/// Outstanding at the sites whose blocks all have `size` bytes: a runtime takes more of its own.
Account blocks_of_size(const Json& snapshot, std::int64_t size) {
  Account sum;
  for (const Json& site : snapshot.at("sites")) {
    const Account here{site.at("outstanding_bytes").get<std::int64_t>(),
                       site.at("outstanding_count").get<std::int64_t>()};
    if (site.at("kind") != "heap" || here.bytes != here.count * size)
      continue;
    sum.bytes += here.bytes;
    sum.count += here.count;
  }
  return sum;
}

/// What a C library and static constructors take comes before a program's ledger begins. Whether
/// leakbpf has come to a new process by then is chance. A stack that ends early may be main's.
bool comes_before_main(const Json& site) {
  const std::string frames = site.at("frames").dump();
  return frames.find("\"main\"") == std::string::npos &&
         frames.find("\"note\"") == std::string::npos;
}

void check_runtime(const std::vector<std::string>& command) {
  require_tracing();
  constexpr std::int64_t block_bytes = 12360;
  Session session(command, "auto");
  session.program.write_line("go");
  const Ledger ledger = read_ledger(session.program);
  const Json snapshot = session.finish();
  CHECK(ledger.at("heap").count >= 100);
  CHECK(blocks_of_size(snapshot, block_bytes) == ledger.at("heap"));
}

std::string find_tool(const std::string& path) {
  if (!std::filesystem::exists(path))
    SKIP(path << " is not installed");
  return path;
}

} // namespace

TEST_CASE("C libraries and languages have exact ledgers", "[allocators][beside]") {
  check_cell(GENERATE(from_range(by_language)));
}

TEST_CASE("jemalloc has exact ledgers, however it is linked", "[allocators][beside]") {
  check_cell(GENERATE(from_range(with_jemalloc)));
}

TEST_CASE("tcmalloc has exact ledgers, however it is linked", "[allocators][beside]") {
  check_cell(GENERATE(from_range(with_tcmalloc)));
}

TEST_CASE("mimalloc has exact ledgers, however it is linked", "[allocators][beside]") {
  check_cell(GENERATE(from_range(with_mimalloc)));
}

TEST_CASE("stripped programs have exact ledgers by the symbols that are left",
          "[allocators][beside]") {
  check_cell(GENERATE(from_range(stripped)));
}

TEST_CASE("native memory of other languages' runtimes is counted", "[allocators][beside]") {
  const std::string sources = LEAKBPF_SOURCE_DIR "/tests/programs/";
  SECTION("Go with cgo") {
    check_runtime({find_file("allocator_go")});
  }
  SECTION("a JVM") {
    check_runtime({find_tool("/usr/bin/java"), "-Xshare:auto", sources + "AllocatorJava.java"});
  }
  SECTION("Node") {
    check_runtime({find_tool("/usr/bin/node"), sources + "allocator_node.js"});
  }
}

TEST_CASE("processes of one tree may have an allocator each", "[allocators][beside]") {
  require_tracing();
  const std::vector<std::string> names{"allocator_family_musl",
                                       "allocator_family_tcmalloc_minimal_inside",
                                       "allocator_family_glibc_static"};
  std::string script = "echo ready; read line";
  for (const std::string& name : names)
    script += "; " + find_file(name) + " c";
  script += "; read line"; // else all have ended when leakbpf is told to
  Session session({"sh", "-c", script}, "auto");
  session.program.write_line("go");
  Ledger ledgers;
  for (const std::string& name : names) {
    const std::string pid = session.program.wait_for_prefix("ready ").substr(6);
    session.tracer->wait_for([&](const std::string& line) {
      return line.starts_with("leakbpf: tracing PID " + pid + " (allocator_");
    });
    session.program.write_line("go");
    ledgers[name] = read_ledger(session.program).at("heap");
    session.program.write_line("end");
  }
  const Json snapshot = session.finish();
  Ledger sums;
  for (const Json& site : snapshot.at("sites")) {
    const Json& target = snapshot.at("targets").at(site.at("target").get<std::size_t>());
    const std::string path = target.at("exe");
    const std::string name = path.substr(path.rfind('/') + 1);
    if (site.at("kind") != "heap" || !ledgers.contains(name) || comes_before_main(site))
      continue;
    sums[name].bytes += site.at("outstanding_bytes").get<std::int64_t>();
    sums[name].count += site.at("outstanding_count").get<std::int64_t>();
  }
  for (const auto& [name, ledger] : ledgers) {
    CAPTURE(name, snapshot.at("losses").dump());
    CHECK(sums[name] == ledger);
  }
}

TEST_CASE("a stripped static program is told what can be done", "[allocators][beside]") {
  require_tracing();
  Child program({find_file("ledger_glibc_static_stripped"), "family"});
  program.wait_for_prefix("ready");
  const Finished finished =
      run_program({built("leakbpf"), "snapshot", "-p", std::to_string(program.pid())});
  CHECK(finished.status == 4);
  for (const std::string part :
       {"no allocator found", "--object", "--symbol-prefix", "debug symbols", "--kinds pages"}) {
    CAPTURE(part);
    CHECK(finished.output.find(part) != std::string::npos);
  }
}
