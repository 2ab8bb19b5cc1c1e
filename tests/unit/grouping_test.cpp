// SPDX-License-Identifier: Apache-2.0
#include "core/culprit.h"
#include "core/grouping.h"
#include "core/python_file.h"
#include "edit_frame.h"
#include "sample_report.h"

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

const std::string packages = "/usr/lib/python3/dist-packages/";

/// An endpoint of a web service under uvicorn, as its stack is.
Frames request() {
  return {native_frame("PyByteArray_Resize", "", 0, "/usr/bin/python3.11"),
          python_frame("remember", "/srv/shop/cart.py", 42),
          python_frame("add_item", "/srv/shop/api.py", 17),
          python_frame("run_endpoint_function", packages + "fastapi/routing.py", 160),
          python_frame("Router.__call__", packages + "starlette/routing.py", 706),
          python_frame("Handle._run", "/usr/lib/python3.11/asyncio/events.py", 80),
          python_frame("Server.run", packages + "uvicorn/server.py", 60),
          python_frame("<module>", "/usr/bin/uvicorn", 8),
          native_frame("_start", "", 0, "/usr/bin/python3.11")};
}

TEST_CASE("whose code a Python file is", "[python]") {
  CHECK(owner_of("/srv/shop/cart.py") == PythonOwner::application);
  CHECK(owner_of("app.py") == PythonOwner::application);
  CHECK(owner_of("<string>") == PythonOwner::application);
  CHECK(owner_of(packages + "fastapi/routing.py") == PythonOwner::package);
  CHECK(owner_of("/app/venv/lib/python3.12/site-packages/x/y.py") == PythonOwner::package);
  CHECK(owner_of("/usr/bin/uvicorn") == PythonOwner::package);
  CHECK(owner_of("/srv/bin/start.py") == PythonOwner::application);
  CHECK(owner_of("/usr/lib/python3.11/asyncio/events.py") == PythonOwner::standard_library);
  CHECK(owner_of("/usr/local/lib/python3.13t/json/encoder.py") == PythonOwner::standard_library);
  CHECK(owner_of("<frozen importlib._bootstrap>") == PythonOwner::standard_library);
  CHECK(short_python_path("/srv/shop/cart.py") == "shop/cart.py");
  CHECK(short_python_path("/cart.py") == "/cart.py");
  CHECK(short_python_path("cart.py") == "cart.py");
  CHECK(short_python_path(packages + "fastapi/routing.py") == "fastapi/routing.py");
  CHECK(short_python_path("/usr/lib/python3.11/asyncio/events.py") == "asyncio/events.py");
}

TEST_CASE("the culprit is the application's line, before packages, before the library",
          "[python]") {
  Frames frames = request();
  CHECK(find_culprit(frames) == 1);
  CHECK(describe_frame(frames[1]) == "remember at shop/cart.py:42");
  frames.erase(frames.begin() + 1, frames.begin() + 3);
  CHECK(find_culprit(frames) == 1); // fastapi
  frames = {native_frame("malloc", "", 0, "/lib/libc.so.6"),
            python_frame("loads", "/usr/lib/python3.11/json/__init__.py", 346)};
  CHECK(find_culprit(frames) == 1);
  edit_frame(frames[1], [](Frame& frame) { frame.file.clear(); }); // its code object is gone
  CHECK(describe_frame(frames[1]) == "[Python code that is gone]");
}

TEST_CASE("the handler is the endpoint", "[python]") {
  CHECK(find_handler(request()) == 2);
  SECTION("when the program starts the server itself") {
    Frames frames = request();
    frames[7] = python_frame("main", "/srv/shop/api.py", 90);
    frames.insert(frames.begin() + 8, python_frame("<module>", "/srv/shop/api.py", 94));
    CHECK(find_handler(frames) == 2);
  }
  SECTION("in a program without a server") {
    const Frames frames{python_frame("inner", "/srv/job.py", 3),
                        python_frame("work", "/srv/job.py", 7),
                        python_frame("<module>", "/srv/job.py", 9)};
    CHECK(find_handler(frames) == 1);
  }
  SECTION("when only the module's own lines run") {
    CHECK(find_handler({python_frame("<module>", "/srv/job.py", 9)}) == 0);
  }
  SECTION("in native code") {
    CHECK(find_handler({native_frame("operator new(unsigned long)", "", 0, "/lib/libstdc++.so.6"),
                        native_frame("Cart::add(Item const&)", "cart.cpp", 42),
                        native_frame("serve(int)", "main.cpp", 9),
                        native_frame("main", "main.cpp", 30)}) == 2);
  }
  SECTION("without any code of the application") {
    const Frames frames{python_frame("f", packages + "x.py", 1),
                        python_frame("g", packages + "x.py", 2)};
    CHECK(find_handler(frames) == 0);
  }
}

SiteReport site(std::uint32_t target, std::uint64_t stack, std::uint64_t bytes,
                leakbpf_kind kind = LEAKBPF_KIND_HEAP) {
  SiteReport made;
  made.key = {target, kind, stack};
  made.pid = static_cast<std::int32_t>(100 + target);
  made.totals = {bytes, 1, 0, 0};
  made.growth_bytes_per_minute = static_cast<double>(bytes);
  made.oldest_age_seconds = static_cast<double>(stack);
  return made;
}

TEST_CASE("rows by line, function, module and process", "[grouping]") {
  const std::vector<SiteReport> sites{site(1, 1, 100), site(1, 2, 50), site(2, 1, 300),
                                      site(2, 3, 7), site(2, 3, 9, LEAKBPF_KIND_MMAP)};
  const auto stack_of = [](const SiteReport& row) {
    // Stacks 1 and 2 differ only in the caller; stack 3 is another line of the same function.
    Frames frames = request();
    if (row.key.stack_hash == 2)
      edit_frame(frames[2], [](Frame& frame) { frame.line = 99; });
    if (row.key.stack_hash == 3)
      edit_frame(frames[1], [](Frame& frame) { frame.line = 77; });
    return frames;
  };
  const auto rows_by = [&](GroupBy by) {
    return merge_sites(sites, by, [&](const SiteReport& row) {
      const Frames frames = stack_of(row);
      return group_frame(by, frames, find_culprit(frames));
    });
  };
  SECTION("line") {
    const auto rows = rows_by(GroupBy::line);
    REQUIRE(rows.size() == 3); // line 42; line 77 of the heap; line 77 of mmap
    CHECK(rows[0].totals.outstanding_bytes() == 450);
    CHECK(rows[0].growth_bytes_per_minute == 450);
    CHECK(rows[0].oldest_age_seconds == 2);
    CHECK(rows[0].pid == 102); // of the largest
    CHECK(rows[0].processes == 2);
    CHECK(rows[1].processes == 1);
    CHECK(describe_frame(rows[0].frames[rows[0].culprit]) == "remember at shop/cart.py:42");
  }
  SECTION("function") {
    const auto rows = rows_by(GroupBy::function);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].totals.outstanding_bytes() == 457);
    CHECK(describe_frame(rows[0].frames[0]) == "remember at shop/cart.py");
  }
  SECTION("handler") {
    const auto rows = rows_by(GroupBy::handler);
    REQUIRE(rows.size() == 2);
    CHECK(describe_frame(rows[0].frames[0]) == "add_item at shop/api.py");
  }
  SECTION("module") {
    const auto rows = rows_by(GroupBy::module);
    REQUIRE(rows.size() == 2);
    CHECK(describe_frame(rows[0].frames[0]) == "shop/cart.py");
  }
  SECTION("process") {
    const auto rows = rows_by(GroupBy::process);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].totals.outstanding_bytes() == 316); // of all kinds
    CHECK(rows[1].totals.outstanding_bytes() == 150);
    CHECK(rows[0].processes == 1);
  }
}

TEST_CASE("a leak in all workers is one row by line and one each by process", "[grouping]") {
  std::vector<SiteReport> sites;
  for (std::uint32_t worker = 1; worker <= 4; worker++)
    for (std::uint64_t stack = 1; stack <= 3; stack++)
      sites.push_back(site(worker, stack, 100 * worker));
  const auto rows_by = [&](GroupBy by) {
    return merge_sites(sites, by, [&](const SiteReport&) { return group_frame(by, request(), 1); });
  };
  const auto lines = rows_by(GroupBy::line);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].processes == 4);
  CHECK(lines[0].pid == 104);
  CHECK(lines[0].totals.outstanding_bytes() == 3000);
  const auto processes = rows_by(GroupBy::process);
  REQUIRE(processes.size() == 4);
  CHECK(processes[0].processes == 1);
  // What is grouped already, as a snapshot may be.
  CHECK(merge_sites(lines, GroupBy::function,
                    [](const SiteReport& row) {
                      return group_frame(GroupBy::function, row.frames, row.culprit);
                    })[0]
            .processes == 4);
}

TEST_CASE("an address names a place in one build only", "[grouping]") {
  Frame unnamed = native_frame("", "", 0, "/app/shop");
  const std::string one = group_frame(GroupBy::line, {unnamed}, 0).key;
  unnamed.build_id = "99999999"; // of another container
  CHECK(group_frame(GroupBy::line, {unnamed}, 0).key != one);
}

} // namespace
} // namespace leakbpf
