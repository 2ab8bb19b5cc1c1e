// SPDX-License-Identifier: Apache-2.0
// The full-screen view: what stands on the screen, and what keys do.
#include "view/spark.h"
#include "view/view.h"
#include "view_sample.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace leakbpf;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr ScreenSize usual{24, 80};
constexpr ScreenSize wide{40, 140};

View made_view(bool live = true) {
  View::Setting setting;
  setting.live = live;
  setting.file = "leak.html";
  setting.source = [](std::int32_t, const std::string& file, std::uint32_t line) {
    return file == "/src/shop/shop.cpp" ? fmt::format("  line_{}();", line) : std::string();
  };
  return View(std::move(setting));
}

View with_report() {
  View view = made_view();
  view.put(view_report(31, 0.5));
  view.put(view_report());
  return view;
}

Key letter(char32_t character) {
  return {KeyCode::character, character};
}

std::string screen_of(View& view, ScreenSize size = usual) {
  return view.draw(size).text();
}

/// The line that is chosen.
std::string chosen(View& view, ScreenSize size = usual) {
  for (const ScreenLine& line : view.draw(size).lines)
    if (line.selected)
      return line.text();
  return "";
}

void type(View& view, std::string_view text) {
  for (const char each : text)
    (void)view.press(letter(static_cast<char32_t>(each)));
}

/// LEAKBPF_WRITE_GOLDEN=1 writes them anew.
void check_golden(const std::string& name, const std::string& screen) {
  const std::string path = std::string(LEAKBPF_UNIT_DIR "/golden/") + name + ".txt";
  if (std::getenv("LEAKBPF_WRITE_GOLDEN"))
    std::ofstream(path) << screen;
  std::ifstream file(path);
  const std::string golden{std::istreambuf_iterator<char>(file), {}};
  CHECK(screen == golden);
}

} // namespace

TEST_CASE("a bar of text shows how a value went", "[view]") {
  CHECK(sparkline({0, 1, 2, 3, 4, 5, 6, 7}, 8, false) == "▁▂▃▄▅▆▇█");
  CHECK(sparkline({5, 5}, 4, false) == "  ▁▁");
  CHECK(sparkline({}, 3, false) == "   ");
  CHECK(sparkline({0, 100}, 2, true) == "_#");
  const auto rows = plot({0, 0, 8, 16}, 4, 2, false);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0] == "   █");
  CHECK(rows[1] == "  ██");
  CHECK(plot({0, 8}, 4, 1, false).front() == "  ██");
}

TEST_CASE("of more values than columns the last is shown", "[view]") {
  std::vector<double> values(1000, 0);
  values.back() = 1;
  CHECK(sparkline(values, 4, false) == "▁▁▁█");
}

TEST_CASE("screens are as they were", "[view]") {
  View view = with_report();
  check_golden("table_80x24", screen_of(view));
  check_golden("table_40x10", screen_of(view, {10, 40}));
  check_golden("table_140x40", screen_of(view, wide));
  (void)view.press({KeyCode::enter});
  check_golden("container_80x24", screen_of(view));
  (void)view.press({KeyCode::right});
  check_golden("stack_80x24", screen_of(view));
  check_golden("stack_140x40", screen_of(view, wide));
  (void)view.press({KeyCode::escape});
  (void)view.press(letter('?'));
  check_golden("help_80x24", screen_of(view));
}

TEST_CASE("no line is wider than the screen, and there are as many as it has rows", "[view]") {
  for (const std::size_t rows : {1UL, 3UL, 10UL, 24UL, 100UL})
    for (const std::size_t columns : {1UL, 8UL, 40UL, 80UL, 400UL}) {
      CAPTURE(rows, columns);
      View view = with_report();
      for (const Key& key : {Key{KeyCode::down}, Key{KeyCode::enter}, Key{KeyCode::down},
                             Key{KeyCode::escape}, letter('?'), letter('4'), letter('/')}) {
        const Screen screen = view.draw({rows, columns});
        REQUIRE(screen.lines.size() == rows);
        for (const ScreenLine& line : screen.lines)
          REQUIRE(line.columns() <= columns);
        (void)view.press(key);
      }
    }
}

TEST_CASE("before the first report the view says that it collects", "[view]") {
  View view = made_view();
  CHECK_THAT(screen_of(view), ContainsSubstring("collecting"));
  for (const Key& key : {Key{KeyCode::enter}, Key{KeyCode::down}, letter('m'), letter('s'),
                         letter('n'), Key{KeyCode::end}, letter('p')})
    (void)view.press(key);
  CHECK_THAT(screen_of(view), ContainsSubstring("collecting"));
}

TEST_CASE("arrow keys choose a row, which stays chosen where it moves to", "[view]") {
  View view = with_report();
  CHECK_THAT(chosen(view), ContainsSubstring("shop.seen"));
  (void)view.press({KeyCode::down});
  CHECK_THAT(chosen(view), ContainsSubstring("remember_order"));
  (void)view.press({KeyCode::down});
  CHECK_THAT(chosen(view), ContainsSubstring("Cache::put"));
  auto later = std::make_shared<Report>(*view_report(70));
  later->sites[1].growth_bytes_per_minute = 100 << 20;
  view.put(later);
  CHECK_THAT(chosen(view), ContainsSubstring("Cache::put"));
  (void)view.press({KeyCode::home});
  CHECK_THAT(chosen(view), ContainsSubstring("shop.seen"));
  (void)view.press({KeyCode::end});
  CHECK_THAT(chosen(view), ContainsSubstring("read_config"));
  (void)view.press({KeyCode::down});
  CHECK_THAT(chosen(view), ContainsSubstring("read_config"));
}

TEST_CASE("an open row shows its stack, its source and its history", "[view]") {
  View view = with_report();
  (void)view.press({KeyCode::down});
  (void)view.press({KeyCode::enter});
  const std::string open = screen_of(view, wide);
  CHECK_THAT(open, ContainsSubstring("remember_order(Order const&)"));
  CHECK_THAT(open, ContainsSubstring("line_38();"));
  CHECK_THAT(open, ContainsSubstring("line_40();"));
  CHECK_THAT(open, ContainsSubstring("line_42();"));
  CHECK_THAT(open, ContainsSubstring("outstanding bytes grow by 15.0 MB/min"));
  CHECK_THAT(open, ContainsSubstring("█"));
  (void)view.press({KeyCode::down});
  CHECK_THAT(chosen(view, wide), ContainsSubstring("main"));
  CHECK_THAT(screen_of(view, wide), ContainsSubstring("cannot be read"));
  (void)view.press({KeyCode::left});
  CHECK_THAT(screen_of(view, wide), ContainsSubstring("bound it"));
  (void)view.press({KeyCode::escape});
  CHECK_THAT(screen_of(view, wide), ContainsSubstring("severity"));
}

TEST_CASE("an open row that is gone leaves the table, and says so", "[view]") {
  View view = with_report();
  (void)view.press({KeyCode::down});
  (void)view.press({KeyCode::enter});
  auto later = std::make_shared<Report>(*view_report(70));
  later->sites.erase(later->sites.begin());
  view.put(later);
  CHECK_THAT(screen_of(view), ContainsSubstring("not there any more"));
}

TEST_CASE("tabs show stacks, containers and processes", "[view]") {
  View view = with_report();
  (void)view.press(letter('2'));
  CHECK_THAT(chosen(view), ContainsSubstring("remember_order"));
  (void)view.press(letter('3'));
  CHECK_THAT(chosen(view), ContainsSubstring("shop.seen"));
  (void)view.press({KeyCode::tab});
  CHECK_THAT(chosen(view), ContainsSubstring("4242"));
  (void)view.press({KeyCode::enter});
  CHECK_THAT(screen_of(view), ContainsSubstring("/srv/app/shop --serve"));
  (void)view.press({KeyCode::escape});
  (void)view.press({KeyCode::tab});
  CHECK_THAT(chosen(view), ContainsSubstring("shop.seen"));
  (void)view.press({KeyCode::back_tab});
  CHECK_THAT(chosen(view), ContainsSubstring("4242"));
}

TEST_CASE("rows are sorted, grouped and filtered by keys", "[view]") {
  View view = with_report();
  (void)view.press(letter('2'));
  (void)view.press(letter('s'));
  CHECK_THAT(screen_of(view), ContainsSubstring("sort: bytes"));
  (void)view.press(letter('b'));
  CHECK_THAT(screen_of(view), ContainsSubstring("by: line"));
  for (int i = 0; i < 4; i++)
    (void)view.press(letter('b'));
  CHECK_THAT(screen_of(view), ContainsSubstring("by: process"));
  (void)view.press(letter('b'));
  (void)view.press(letter('f'));
  type(view, "Cache::");
  (void)view.press({KeyCode::enter});
  CHECK_THAT(chosen(view), ContainsSubstring("Cache::put"));
  CHECK(screen_of(view).find("remember_order") == std::string::npos);
  (void)view.press(letter('f'));
  type(view, "(");
  (void)view.press({KeyCode::enter});
  CHECK_THAT(screen_of(view), ContainsSubstring("Cache::put"));
  (void)view.press(letter('f'));
  (void)view.press({KeyCode::character, 0x15});
  (void)view.press({KeyCode::enter});
  CHECK_THAT(screen_of(view), ContainsSubstring("remember_order"));
  (void)view.press(letter('a'));
  type(view, "3600");
  (void)view.press({KeyCode::enter});
  CHECK_THAT(screen_of(view), ContainsSubstring("no row is that old"));
  (void)view.press(letter('a'));
  type(view, "x");
  (void)view.press({KeyCode::enter});
  CHECK_THAT(screen_of(view), ContainsSubstring("is no number of seconds"));
}

TEST_CASE("a search goes from match to match", "[view]") {
  View view = with_report();
  (void)view.press(letter('/'));
  type(view, "MAIN");
  (void)view.press({KeyCode::enter});
  CHECK_THAT(chosen(view), ContainsSubstring("remember_order"));
  (void)view.press(letter('n'));
  CHECK_THAT(chosen(view), ContainsSubstring("Cache::put"));
  (void)view.press(letter('N'));
  CHECK_THAT(chosen(view), ContainsSubstring("remember_order"));
  (void)view.press(letter('/'));
  type(view, "nowhere");
  (void)view.press({KeyCode::enter});
  CHECK_THAT(screen_of(view), ContainsSubstring("no row has \"nowhere\""));
  (void)view.press(letter('/'));
  type(view, "q");
  CHECK(view.draw(usual).cursor);
  (void)view.press({KeyCode::backspace});
  (void)view.press({KeyCode::escape});
  CHECK_FALSE(view.draw(usual).cursor);
}

TEST_CASE("a mark shows what grew since", "[view]") {
  View view = made_view();
  view.put(view_report(31, 1));
  (void)view.press(letter('m'));
  view.put(view_report(62, 2));
  const std::string marked = screen_of(view, wide);
  CHECK_THAT(marked, ContainsSubstring("since mark"));
  CHECK_THAT(marked, ContainsSubstring("+15.0 MB"));
  CHECK_THAT(chosen(view, wide), ContainsSubstring("remember_order"));
  (void)view.press(letter('m'));
  CHECK(screen_of(view, wide).find("since mark") == std::string::npos);
}

TEST_CASE("a paused view stands still, and goes on with the latest", "[view]") {
  View view = with_report();
  (void)view.press(letter('p'));
  const std::string before = screen_of(view);
  CHECK_THAT(before, ContainsSubstring("PAUSED"));
  view.put(view_report(100));
  view.put(view_report(200));
  CHECK(screen_of(view) == before);
  (void)view.press(letter(' '));
  CHECK_THAT(screen_of(view), ContainsSubstring("3m20s"));
}

TEST_CASE("keys tell what is to be done", "[view]") {
  View view = with_report();
  const auto slower = view.press(letter('+'));
  REQUIRE(slower);
  CHECK(slower->what == ViewCommand::What::set_interval);
  CHECK(slower->seconds == 2);
  for (int i = 0; i < 20; i++)
    (void)view.press(letter('-'));
  CHECK(view.press(letter('-'))->seconds == 0.25);
  (void)view.press(letter('w'));
  const auto write = view.press({KeyCode::enter});
  REQUIRE(write);
  CHECK(write->what == ViewCommand::What::write);
  CHECK(write->text == "leak.html");
  view.tell("wrote leak.html");
  CHECK_THAT(screen_of(view), ContainsSubstring("wrote leak.html"));
  const auto quit = view.press(letter('q'));
  REQUIRE(quit);
  CHECK(quit->what == ViewCommand::What::quit);
}

TEST_CASE("what is typed may be any text", "[view]") {
  View view = with_report();
  (void)view.press(letter('/'));
  for (const char32_t character : {U'ö', U'日', U'😀'})
    (void)view.press(letter(character));
  CHECK_THAT(screen_of(view), ContainsSubstring("ö日😀"));
  (void)view.press({KeyCode::backspace});
  CHECK_THAT(screen_of(view), ContainsSubstring("ö日"));
  CHECK(screen_of(view).find("😀") == std::string::npos);
}

TEST_CASE("names from outside reach the screen escaped", "[view]") {
  auto report = std::make_shared<Report>(*view_report());
  report->targets[0].comm = "\x1b[2J\xe2\x80\xae";
  report->targets[0].command_line = "a\nb";
  report->sites[0].frames[1] =
      native_frame("f\x1b]0;title\x07", "/src/\x9b.cpp", 3, "/lib/\xe2\x80\xae.so");
  report->held[0].path = "x\r\n";
  View view = made_view();
  view.put(report);
  for (const Key& key : {Key{KeyCode::down}, Key{KeyCode::enter}, Key{KeyCode::left},
                         Key{KeyCode::escape}, letter('4'), Key{KeyCode::enter}}) {
    for (const ScreenLine& line : view.draw(wide).lines)
      CHECK(escape_controls(line.text()) == line.text());
    (void)view.press(key);
  }
}

TEST_CASE("ten thousand rows, long names and wide characters fit", "[view]") {
  auto report = std::make_shared<Report>(*view_report());
  report->sites.clear();
  for (std::uint64_t i = 0; i < 10'000; i++)
    report->sites.push_back(
        view_site(i + 1, "日本語" + std::string(2000, 'x') + std::to_string(i), 1, Severity::low));
  View view = made_view();
  view.put(report);
  (void)view.press({KeyCode::end});
  for (const ScreenLine& line : view.draw(usual).lines)
    REQUIRE(line.columns() <= usual.columns);
  CHECK_FALSE(chosen(view).empty());
  (void)view.press({KeyCode::page_up});
  CHECK_FALSE(chosen(view).empty());
  (void)view.press({KeyCode::enter});
  for (const ScreenLine& line : view.draw(usual).lines)
    REQUIRE(line.columns() <= usual.columns);
}

TEST_CASE("a stored report has no keys that only tracing has", "[view]") {
  View view = made_view(false);
  view.put(view_report());
  (void)view.press(letter('p'));
  (void)view.press(letter('m'));
  CHECK_FALSE(view.press(letter('+')));
  const std::string screen = screen_of(view);
  CHECK(screen.find("PAUSED") == std::string::npos);
  CHECK(screen.find("since") == std::string::npos);
}

TEST_CASE("two runs are compared by what their rows are of", "[view]") {
  auto before = std::make_shared<Report>(*view_report(60, 0.5));
  before->targets[0].pid = 17;
  for (SiteReport& site : before->sites) {
    site.pid = 17;
    site.key.stack_hash += 1000;
  }
  View view = made_view(false);
  view.compare_with(before, "before.json");
  view.put(view_report(60, 1));
  const std::string screen = screen_of(view, wide);
  CHECK_THAT(screen, ContainsSubstring("compared with before.json"));
  CHECK_THAT(chosen(view, wide), ContainsSubstring("+7.5 MB"));
}

TEST_CASE("a file's history is plotted", "[view]") {
  auto report = std::make_shared<Report>(*view_report());
  for (int i = 0; i < 20; i++) {
    HistoryPoint& point = report->history.emplace_back();
    point.t_seconds = i;
    point.pid = 4242;
    point.rss_bytes = (i + 1) << 20;
  }
  View view = made_view(false);
  view.put(report);
  CHECK_THAT(screen_of(view), ContainsSubstring("▁▁▂▂▃▃▄▄▅▅▅▆▇▇▇█"));
}
