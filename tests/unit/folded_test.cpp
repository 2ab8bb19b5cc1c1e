// SPDX-License-Identifier: Apache-2.0
#include "edit_frame.h"
#include "render/folded.h"
#include "sample_report.h"

#include <string>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

Frame function_frame(const std::string& function) {
  return native_frame(function, "", 0, "/srv/m");
}

/// A report of one target with one stack.
Report report_of(const Frames& frames, std::uint64_t bytes = 10) {
  Report report = sample_report();
  report.sites.resize(1);
  report.sites[0].frames = frames;
  report.sites[0].totals = {bytes, 1, 0, 0};
  return report;
}

TEST_CASE("each stack is a line, the outermost frame first", "[folded]") {
  CHECK(render_folded(sample_report()) ==
        "main at main.cpp:7;Cart::add at cart.cpp:42;operator new (libstdc++.so.6) 15728640\n"
        "[stack not recorded] 4096\n");
}

TEST_CASE("stacks that look the same are added up", "[folded]") {
  Report report = sample_report();
  // Another instruction of the same line, and another kind of memory.
  SiteReport again = report.sites[0];
  edit_frame(again.frames[2], [](Frame& frame) { frame.offset = 0x9999; });
  again.key.kind = LEAKBPF_KIND_MMAP;
  again.totals = {5, 1, 0, 0};
  report.sites.push_back(again);
  CHECK(render_folded(report) ==
        "main at main.cpp:7;Cart::add at cart.cpp:42;operator new (libstdc++.so.6) 15728645\n"
        "[stack not recorded] 4096\n");
}

TEST_CASE("stacks whose memory was all freed are left out", "[folded]") {
  Report report = sample_report();
  report.sites[0].totals = {100, 1, 100, 1};
  CHECK(render_folded(report) == "[stack not recorded] 4096\n");
  report.sites.clear();
  CHECK(render_folded(report).empty());
}

TEST_CASE("with several targets a line begins with the process", "[folded]") {
  Report report = report_of({function_frame("main")});
  TargetReport other = report.targets[0];
  other.comm = "cron";
  other.pid = 17;
  report.targets.push_back(other);
  report.sites.push_back(report.sites[0]);
  report.sites[1].target = 1;
  report.sites.push_back(report.sites[0]);
  report.sites[2].target = 9; // a damaged snapshot
  report.sites[2].pid = 99;
  CHECK(render_folded(report) == "shop (4242);main (m) 10\n"
                                 "cron (17);main (m) 10\n"
                                 "process (99);main (m) 10\n");
}

TEST_CASE("what has no name is shown all the same", "[folded]") {
  Frame place = function_frame("");
  CHECK(render_folded(report_of({place})) == "m+0x1234 10\n");
  CHECK(render_folded(report_of({Frame{}})) == "[unknown] 10\n");
  CHECK(render_folded(report_of({})) == "[unknown] 10\n");
  Frame python{FrameKind::python, "handle", "", "", {}, "/srv/app/views.py", 12, false};
  CHECK(render_folded(report_of({python})) == "handle at app/views.py:12 10\n");
}

TEST_CASE("a name cannot change the form of its line", "[folded]") {
  CHECK(render_folded(report_of({function_frame("a;b\nc\x1b[2Jd\xff")})) ==
        "a:b\\x0ac\\x1b[2Jd\xef\xbf\xbd (m) 10\n");
  // A number at the end of a line would be taken for a column.
  for (const std::string end : {" 12", " 12.5", " 7.", " "}) {
    Frame python{FrameKind::python, "", "/srv/app" + end, "", {}, "x", 0, false};
    const std::string text = render_folded(report_of({python}));
    CAPTURE(text);
    CHECK(text.find(end + " 10\n") == std::string::npos);
  }
}

TEST_CASE("a diff has a column for each snapshot", "[folded]") {
  Diff diff;
  DiffRow row;
  row.frames = sample_site().frames;
  row.before = DiffFigures{{100, 2, 50, 1}, {}, {}};
  row.after = DiffFigures{{400, 2, 0, 0}, {}, {}};
  diff.rows.push_back(row);
  row.frames = {function_frame("came")};
  row.before.reset();
  diff.rows.push_back(row);
  row.frames = {function_frame("went")};
  row.before = DiffFigures{{7, 1, 0, 0}, {}, {}};
  row.after.reset();
  diff.rows.push_back(row);
  row.before = DiffFigures{{7, 1, 7, 1}, {}, {}}; // nothing outstanding in either
  row.frames = {function_frame("idle")};
  diff.rows.push_back(row);
  CHECK(render_folded(diff) ==
        "main at main.cpp:7;Cart::add at cart.cpp:42;operator new (libstdc++.so.6) 50 400\n"
        "came (m) 0 400\n"
        "went (m) 7 0\n");
  CHECK(render_folded(Diff{}).empty());
}

} // namespace
} // namespace leakbpf
