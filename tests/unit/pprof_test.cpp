// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.h"
#include "edit_frame.h"
#include "pprof_profile.h"
#include "render/pprof.h"
#include "sample_report.h"

#include <algorithm>
#include <limits>
#include <set>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using Values = std::vector<std::int64_t>;

PprofProfile read_profile(const std::string& packed) {
  const auto data = gunzip(packed, std::size_t{64} << 20);
  REQUIRE(data);
  return PprofReader(*data).read();
}

template <class Table> void check_ids(const Table& table) {
  std::uint64_t next = 1;
  for (const auto& entry : table)
    CHECK(entry.id == next++);
}

void check_location(const PprofProfile& profile, const PprofProfile::Location& location,
                    std::set<std::uint64_t>& functions) {
  CHECK(location.mapping <= profile.mappings.size());
  CHECK_FALSE(location.lines.empty()); // Pyroscope passes over what has no line
  for (const auto& line : location.lines) {
    REQUIRE(line.function != 0);
    REQUIRE(line.function <= profile.functions.size());
    functions.insert(line.function);
  }
  if (location.mapping == 0 || location.address == 0)
    return;
  const auto& mapping = profile.mappings.at(location.mapping - 1);
  CHECK(location.address >= mapping.start);
  CHECK(location.address < mapping.limit);
  CHECK(mapping.functions);
}

/// What pprof, Parca and Pyroscope rely on: each reference leads somewhere, each entry is used.
void check_whole(const PprofProfile& profile) {
  CHECK(profile.sample_types == std::vector<PprofProfile::ValueType>{{"alloc_objects", "count"},
                                                                     {"alloc_space", "bytes"},
                                                                     {"inuse_objects", "count"},
                                                                     {"inuse_space", "bytes"}});
  CHECK(profile.default_sample_type == "inuse_space");
  CHECK(profile.period_type == PprofProfile::ValueType{"space", "bytes"});
  REQUIRE_FALSE(profile.strings.empty());
  CHECK(profile.strings[0].empty());
  CHECK(std::set(profile.strings.begin(), profile.strings.end()).size() == profile.strings.size());
  for (std::size_t i = 1; i < profile.strings.size(); i++) {
    CAPTURE(profile.strings[i]);
    CHECK(profile.string_uses[i] > 0);
  }
  check_ids(profile.mappings);
  check_ids(profile.locations);
  check_ids(profile.functions);
  std::set<std::uint64_t> locations;
  std::set<std::uint64_t> functions;
  std::set<std::uint64_t> mappings;
  for (const auto& sample : profile.samples) {
    CHECK(sample.values.size() == 4);
    CHECK_FALSE(sample.locations.empty());
    locations.insert(sample.locations.begin(), sample.locations.end());
    for (const auto& [key, value] : sample.labels)
      CHECK((!key.empty() && !value.empty()));
  }
  for (const std::uint64_t id : locations) {
    REQUIRE(id != 0);
    REQUIRE(id <= profile.locations.size());
    check_location(profile, profile.locations[id - 1], functions);
    mappings.insert(profile.locations[id - 1].mapping);
  }
  mappings.erase(0);
  CHECK(locations.size() == profile.locations.size());
  CHECK(functions.size() == profile.functions.size());
  CHECK(mappings.size() == profile.mappings.size());
}

PprofProfile read_whole(const std::string& packed) {
  PprofProfile profile = read_profile(packed);
  check_whole(profile);
  return profile;
}

const PprofProfile::Location& location_of(const PprofProfile& profile, std::size_t sample,
                                          std::size_t index) {
  return profile.locations.at(profile.samples.at(sample).locations.at(index) - 1);
}

const PprofProfile::Function& function_of(const PprofProfile& profile,
                                          const PprofProfile::Location& location,
                                          std::size_t line = 0) {
  return profile.functions.at(location.lines.at(line).function - 1);
}

/// The innermost function of the first sample of a report whose only stack is `frame`.
PprofProfile::Function function_for(const Frame& frame) {
  Report report = sample_report();
  report.sites.resize(1);
  report.sites[0].frames = {frame};
  const PprofProfile profile = read_whole(render_pprof(report));
  return function_of(profile, location_of(profile, 0, 0));
}

TEST_CASE("the values of a profile add up to the report's", "[pprof]") {
  const Report report = sample_report();
  const PprofProfile profile = read_whole(render_pprof(report));
  REQUIRE(profile.samples.size() == 2);
  CHECK(profile.samples[0].values == Values{20480, 20 << 20, 15360, 15 << 20});
  CHECK(profile.samples[1].values == Values{1, 4096, 1, 4096});
  std::int64_t outstanding = 0;
  for (const auto& sample : profile.samples)
    outstanding += sample.values[3];
  CHECK(outstanding == (15 << 20) + 4096);
}

TEST_CASE("a profile says when, how long and how exactly was measured", "[pprof]") {
  Report report = sample_report();
  report.sampling = {16384, false};
  report.duration_seconds = 62.25;
  const PprofProfile profile = read_whole(render_pprof(report));
  CHECK(profile.time == 1769851800'000000000);
  CHECK(profile.duration == 62'250000000);
  CHECK(profile.period == 16384);
  CHECK(profile.comments == std::vector<std::string>{"leakbpf 0.1.0"});
}

TEST_CASE("a time that is none is left out", "[pprof]") {
  Report report = sample_report();
  for (const std::string time :
       {"", "2026-01-31", "2026-01-31T09:30:00", "2026-02-30T09:30:00Z", "9999-01-31T09:30:00Z",
        "1066-10-14T09:30:00Z", "2026-01-31T09:30:00Z and more", "2026-+1-31T09:30:00Z"}) {
    CAPTURE(time);
    report.started_at = time;
    CHECK(read_whole(render_pprof(report)).time == 0);
  }
  for (const double duration : {-1.0, 1e300, std::numeric_limits<double>::quiet_NaN()}) {
    report.duration_seconds = duration;
    CHECK(read_whole(render_pprof(report)).duration == 0);
  }
  report.started_at = "1970-01-01T00:00:01Z";
  CHECK(read_whole(render_pprof(report)).time == 1'000000000);
}

TEST_CASE("a sample says whose it is, of what kind and how bad", "[pprof]") {
  Report report = sample_report();
  report.sites[1].pid = 17;
  report.sites[1].target = 5; // a damaged snapshot
  const PprofProfile profile = read_whole(render_pprof(report));
  using Labels = std::map<std::string, std::string>;
  CHECK(profile.samples[0].labels ==
        Labels{{"kind", "heap"}, {"pid", "4242"}, {"process", "shop"}, {"severity", "high"}});
  CHECK(profile.samples[1].labels == Labels{{"kind", "mmap"}, {"pid", "17"}});
}

TEST_CASE("what was inlined shares the location of its caller", "[pprof]") {
  Report report = sample_report();
  Frame inner = native_frame("Item::Item(int)", "/src/shop/item.h", 3);
  inner.inlined = true;
  report.sites[0].frames.insert(report.sites[0].frames.begin() + 1, inner);
  const PprofProfile profile = read_whole(render_pprof(report));
  REQUIRE(profile.samples[0].locations.size() == 2);
  const auto& location = location_of(profile, 0, 1);
  REQUIRE(location.lines.size() == 3);
  CHECK(function_of(profile, location, 0).name == "Item::Item");
  CHECK(function_of(profile, location, 1).name == "Cart::add");
  CHECK(function_of(profile, location, 2).name == "main");
  CHECK(location.lines[0].line == 3);
  CHECK(location.lines[1].line == 42);
  CHECK(location.lines[2].line == 7);
  CHECK(function_of(profile, location, 2).file == "/src/shop/main.cpp");
  CHECK(profile.mappings.at(location.mapping - 1).inlined);
  CHECK_FALSE(profile.mappings.at(location_of(profile, 0, 0).mapping - 1).inlined);
}

TEST_CASE("an inlined frame that nothing follows stands alone", "[pprof]") {
  Report report = sample_report();
  Frames& frames = report.sites[0].frames;
  frames.pop_back();
  CHECK(location_of(read_whole(render_pprof(report)), 0, 1).lines.size() == 1);
  Frame note;
  note.kind = FrameKind::note;
  note.function = "the stack ends here";
  frames.emplace_back(note);
  CHECK(location_of(read_whole(render_pprof(report)), 0, 1).lines.size() == 1);
  frames.back() = native_frame("callback", "", 0, "/usr/lib/libother.so");
  CHECK(location_of(read_whole(render_pprof(report)), 0, 1).lines.size() == 1);
}

TEST_CASE("a mapping has its file, its build ID, and the addresses of its places", "[pprof]") {
  Report report = sample_report();
  Frame far = native_frame("far", "", 0);
  far.offset = 0x23456;
  report.sites[0].frames.emplace_back(far);
  edit_frame(report.sites[0].frames[0], [](Frame& frame) { frame.build_id = "5709"; });
  const PprofProfile profile = read_whole(render_pprof(report));
  REQUIRE(profile.mappings.size() == 2);
  // The program comes first, although its library was met first.
  const auto& program = profile.mappings[0];
  CHECK(program.file == "/srv/app/shop");
  CHECK(program.build_id == "abcdef01");
  CHECK(program.functions);
  CHECK(program.filenames);
  CHECK(program.lines);
  CHECK(program.offset == 0x1000);
  CHECK(program.limit - program.start == 0x23000);
  const auto& library = profile.mappings[1];
  CHECK(library.file == "/usr/lib/libstdc++.so.6");
  CHECK(library.build_id == "5709");
  CHECK(library.functions);
  CHECK_FALSE(library.filenames);
  CHECK_FALSE(library.lines);
  CHECK((library.start >= program.limit || library.limit <= program.start));
  const auto offset_of = [](const auto& mapping, const auto& location) {
    return location.address - mapping.start + mapping.offset;
  };
  CHECK(offset_of(library, location_of(profile, 0, 0)) == 0x1234);
  CHECK(offset_of(program, location_of(profile, 0, 1)) == 0x1234);
  CHECK(offset_of(program, location_of(profile, 0, 2)) == 0x23456);
}

TEST_CASE("two builds of one file are two mappings", "[pprof]") {
  Report report = sample_report();
  report.sites[1].frames = {native_frame("main", "/src/shop/main.cpp", 7)};
  CHECK(read_whole(render_pprof(report)).mappings.size() == 2);
  edit_frame(report.sites[1].frames[0], [](Frame& frame) { frame.build_id = "beef"; });
  CHECK(read_whole(render_pprof(report)).mappings.size() == 3);
}

TEST_CASE("a place without a name has an address, and is named by its offset", "[pprof]") {
  Report report = sample_report();
  Frame place = native_frame("", "", 0);
  place.offset = 0x4321;
  report.sites[1].frames = {place};
  const PprofProfile profile = read_whole(render_pprof(report));
  const auto& location = location_of(profile, 1, 0);
  CHECK(function_of(profile, location).name == "shop+0x4321");
  CHECK(function_of(profile, location).system_name.empty());
  const auto& mapping = profile.mappings.at(location.mapping - 1);
  CHECK(mapping.file == "/srv/app/shop");
  CHECK(location.address - mapping.start + mapping.offset == 0x4321);
}

TEST_CASE("a place of which nothing is known is shown as unknown", "[pprof]") {
  Report report = sample_report();
  Frame address;
  address.offset = 0x7f0012345678;
  report.sites[0].frames = {Frame{}, address};
  report.sites[1].frames.clear();
  const PprofProfile profile = read_whole(render_pprof(report));
  CHECK(profile.mappings.empty());
  CHECK(profile.functions.size() == 1);
  CHECK(profile.functions[0].name == "[unknown]");
  CHECK(location_of(profile, 0, 0).address == 0);
  CHECK(location_of(profile, 0, 1).address == 0x7f0012345678);
  CHECK(profile.samples[1].locations.at(0) == profile.samples[0].locations.at(0));
}

TEST_CASE("Python frames and notes are functions outside all mappings", "[pprof]") {
  Report report = sample_report();
  report.sites[0].frames = {
      Frame{FrameKind::python, "handle", "", "", {}, "/srv/app/views.py", 12, false}};
  const PprofProfile profile = read_whole(render_pprof(report));
  CHECK(profile.mappings.empty());
  const auto& location = location_of(profile, 0, 0);
  CHECK(location.address == 0);
  CHECK(location.lines.at(0).line == 12);
  CHECK(function_of(profile, location).name == "handle");
  CHECK(function_of(profile, location).file == "/srv/app/views.py");
  CHECK(function_of(profile, location_of(profile, 1, 0)).name == "[stack not recorded]");
}

TEST_CASE("names are short, and pprof is kept from shortening them further", "[pprof]") {
  const auto named = [](const std::string& function) {
    return function_for(native_frame(function, "", 0));
  };
  CHECK(named("Cart::add(Item const&)").name == "Cart::add");
  CHECK(named("Cart::add(Item const&)").system_name == "Cart::add(Item const&)");
  CHECK(named("main").system_name == "main");
  // pprof rewrites only names that are equal to the system's.
  CHECK(named("<Vec<T> as Clone>::clone").name == "<Vec<T> as Clone>::clone");
  CHECK(named("<Vec<T> as Clone>::clone").system_name.empty());
  const Frame module{FrameKind::python, "<module>", "", "", {}, "/srv/app/main.py", 1, false};
  CHECK(function_for(module).name == "<module>");
  CHECK(function_for(module).system_name.empty());
}

TEST_CASE("equal frames are one location, whoever holds them", "[pprof]") {
  Report report = sample_report();
  report.sites[1].frames = sample_site().frames;
  const PprofProfile profile = read_whole(render_pprof(report));
  CHECK(profile.samples[0].locations == profile.samples[1].locations);
  CHECK(profile.locations.size() == 2);
}

TEST_CASE("sites that took nothing leave nothing in the tables", "[pprof]") {
  Report report = sample_report();
  report.sites[0].totals = {};
  const PprofProfile profile = read_whole(render_pprof(report));
  CHECK(profile.samples.size() == 1);
  CHECK(profile.locations.size() == 1);
  CHECK(profile.mappings.empty());
  check_whole(read_profile(render_pprof(Report{})));
}

TEST_CASE("strings are valid UTF-8 without control characters", "[pprof]") {
  Report report = sample_report();
  report.targets[0].comm = "sh\x1b[2J\xffop";
  edit_frame(report.sites[0].frames[0], [](Frame& frame) {
    frame.module = "/lib/\xc3.so";
    frame.function = "f\n\xf0\x9f\x98";
  });
  const PprofProfile profile = read_whole(render_pprof(report));
  CHECK(profile.samples[0].labels.at("process") == "sh\\x1b[2J\xef\xbf\xbdop");
  CHECK(profile.mappings.at(location_of(profile, 0, 0).mapping - 1).file == "/lib/\xef\xbf\xbd.so");
  for (const std::string& text : profile.strings)
    CHECK(std::none_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
}

TEST_CASE("numbers of a damaged snapshot do not overflow", "[pprof]") {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  Report report = sample_report();
  report.sites[0].totals = {most, most, 0, 0};
  edit_frame(report.sites[0].frames[0], [most](Frame& frame) { frame.offset = most; });
  const PprofProfile profile = read_whole(render_pprof(report));
  constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  CHECK(profile.samples[0].values == Values{largest, largest, largest, largest});
  CHECK(location_of(profile, 0, 0).address == 0);
}

TEST_CASE("losses are told in the comments", "[pprof]") {
  Report report = sample_report();
  report.losses[LEAKBPF_LOSS_LIVE_TABLE_FULL] = 12;
  const PprofProfile profile = read_whole(render_pprof(report));
  REQUIRE(profile.comments.size() == 2);
  CHECK(profile.comments[1].starts_with("lost: 12 blocks not tracked"));
}

TEST_CASE("a diff is after minus before", "[pprof]") {
  Diff diff;
  diff.version = "0.1.0";
  diff.before = {"monday.json", "2026-01-26T09:30:00Z", 60, {}, 0, 0, {}};
  diff.after = {"friday.json", "2026-01-30T09:30:00Z", 90, {sample_target()}, 0, 0, {"3 stacks"}};
  DiffRow row;
  row.frames = sample_site().frames;
  row.change = Change::grew;
  row.before = DiffFigures{{100, 4, 50, 2}, {}, Severity::high};
  row.after = DiffFigures{{400, 8, 0, 0}, {}, Severity::low};
  diff.rows.push_back(row);
  row.change = Change::gone;
  row.after.reset();
  diff.rows.push_back(row);
  row.change = Change::same;
  row.after = row.before;
  row.frames = {native_frame("idle", "", 0)};
  diff.rows.push_back(row);
  const PprofProfile profile = read_whole(render_pprof(diff));
  REQUIRE(profile.samples.size() == 2);
  CHECK(profile.samples[0].values == Values{4, 300, 6, 350});
  CHECK(profile.samples[1].values == Values{-4, -100, -2, -50});
  using Labels = std::map<std::string, std::string>;
  CHECK(profile.samples[0].labels ==
        Labels{{"kind", "heap"}, {"change", "grew"}, {"severity", "low"}});
  CHECK(profile.samples[1].labels ==
        Labels{{"kind", "heap"}, {"change", "gone"}, {"severity", "high"}});
  CHECK(profile.time == 1769765400'000000000);
  CHECK(profile.duration == 90'000000000);
  CHECK(profile.mappings.at(0).file == "/srv/app/shop");
  CHECK(profile.comments == std::vector<std::string>{"leakbpf 0.1.0",
                                                     "before: monday.json, 2026-01-26T09:30:00Z",
                                                     "after: friday.json, 2026-01-30T09:30:00Z",
                                                     "after: lost: 3 stacks"});
  check_whole(read_profile(render_pprof(Diff{})));
}

} // namespace
} // namespace leakbpf
