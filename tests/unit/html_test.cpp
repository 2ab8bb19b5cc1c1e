// SPDX-License-Identifier: Apache-2.0
#include "assets.h"
#include "flame_sample.h"
#include "render/html.h"
#include "render/markup.h"

#include <algorithm>
#include <limits>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace leakbpf {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// What the page hands to its script.
nlohmann::json data_of(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"data\">";
  const std::size_t from = page.find(open) + open.size();
  return nlohmann::json::parse(page.substr(from, page.find("</script>", from) - from));
}

TEST_CASE("the page says the verdict and names the sites without its script", "[html]") {
  Report report = flame_report({flame_site(3 << 20, {main_frame, serve_frame})});
  report.sites[0].culprit = 0;
  report.sites[0].source = "cart.push_back(item);";
  report.sites[0].verdict.severity = Severity::medium;
  report.targets[0].limit = MemoryLimit{1 << 30, "RAM"};
  report.targets[0].seconds_to_limit = 5400;
  const std::string page = render_html(report);
  CHECK(contains(page, "<span class=\"badge high\">high</span>shop"));
  CHECK(contains(page, "<li>RSS grows 12.0 MB/min</li>"));
  CHECK(contains(page, "<dt>Limit reached in</dt><dd>1h30m"));
  CHECK(contains(page, "<span class=\"badge medium\">medium</span>"));
  CHECK(contains(page, "<b>serve</b> <span>serve.cpp:20</span><code>cart.push_back(item);</code>"));
  CHECK(contains(page, "data-value=\"3145728\">3.0 MB</td>"));
}

TEST_CASE("the script's data has each frame once", "[html]") {
  const std::string page = render_html(
      flame_report({flame_site(64, {main_frame, serve_frame}), flame_site(32, {main_frame})}));
  const nlohmann::json data = data_of(page);
  CHECK(data["frames"].size() == 2);
  CHECK(data["rows"][0]["frames"] == nlohmann::json({0, 1}));
  CHECK(data["rows"][1]["frames"] == nlohmann::json({1}));
  CHECK(data["frames"][0][1] == "serve");
  CHECK(data["frames"][0][2] == "/src/shop/serve.cpp:20");
}

TEST_CASE("plots have what is known of the process's own history", "[html]") {
  Report report = flame_report({flame_site(64, {main_frame})}, 2);
  HistoryPoint point;
  point.t_seconds = 1;
  point.pid = 100;
  point.rss_bytes = 1000;
  point.swap_bytes = 0;
  point.outstanding_bytes = 10;
  report.history.push_back(point);
  point.t_seconds = 2;
  point.rss_bytes = std::nullopt;
  report.history.push_back(point);
  point.pid = 101;
  report.history.push_back(point);
  const nlohmann::json plot = data_of(render_html(report))["plots"][0];
  CHECK(plot["times"] == nlohmann::json({1.0, 2.0}));
  REQUIRE(plot["lines"].size() == 2); // no swap, no parts
  CHECK(plot["lines"][0]["name"] == "RSS");
  CHECK(plot["lines"][0]["values"] == nlohmann::json({1000, nullptr}));
  CHECK(plot["lines"][1]["key"] == "outstanding");
  CHECK(plot["limit"].is_null());
}

TEST_CASE("what is unknown is a dash and sorts last", "[html]") {
  Report report = flame_report({flame_site(64, {main_frame})});
  report.sites[0].growth_bytes_per_minute = std::numeric_limits<double>::quiet_NaN();
  const std::string page = render_html(report);
  CHECK(contains(page, "<td class=\"number\">-</td>")); // its age
  CHECK_FALSE(contains(page, "data-value=\"nan"));
  CHECK(contains(page, "<span class=\"badge unknown\">unknown</span>"));
}

TEST_CASE("losses, suppressed sites and rows that are not there are told", "[html]") {
  Report report = flame_report({flame_site(64, {main_frame})});
  report.losses.at(LEAKBPF_LOSS_LIVE_TABLE_FULL) = 1234;
  report.suppressed = {{{"^Py_<x>", 3, 2048}}, 3, 2048, 7};
  report.site_count = 500;
  const std::string page = render_html(report);
  CHECK(contains(page, "<li>1,234 blocks not tracked"));
  CHECK(contains(page, "<li>3 sites with 2.0 KB in 7 blocks are suppressed</li>"));
  CHECK(contains(page, "suppressed by ^Py_&lt;x&gt;: 3 sites"));
  CHECK(contains(page, "the table has the first 1 of 500 sites"));
}

TEST_CASE("of very many sites and processes the first are on the page", "[html]") {
  std::vector<SiteReport> sites;
  for (std::size_t i = 0; i < 1500; i++)
    sites.push_back(flame_site(16 + i, {main_frame}, i % 20));
  const std::string page = render_html(flame_report(std::move(sites), 20));
  CHECK(count_of(page, "<tr data-index=") == 1000);
  CHECK(data_of(page)["rows"].size() == 1000);
  CHECK(contains(page, "the table has the first 1,000 of 1,500 sites"));
  CHECK(count_of(page, "<article class=\"card target\">") == 12);
  CHECK(contains(page, "<summary>8 more processes</summary>"));
}

TEST_CASE("the worst process comes first", "[html]") {
  Report report = flame_report({flame_site(64, {main_frame}, 0)}, 3);
  report.targets[0].verdict.severity = Severity::none;
  report.targets[1].verdict.severity = std::nullopt;
  report.targets[2].verdict.severity = Severity::critical;
  const std::string page = render_html(report);
  CHECK(page.find("PID 102") < page.find("PID 100"));
  CHECK(page.find("PID 100") < page.find("PID 101"));
}

TEST_CASE("a process's container is on its card, or in the row of one of many", "[html]") {
  Report report = flame_report({flame_site(64, {main_frame}, 0)}, 14);
  report.targets[0].verdict.severity = Severity::high;
  for (const std::size_t target : {0, 13}) {
    report.targets[target].container =
        Container{std::string(64, 'a'), "docker", "", target == 0 ? "" : "shop-5d9f"};
    report.targets[target].namespaced_pid = 7;
  }
  const std::string page = render_html(report);
  CHECK(contains(page, "PID 100 (7 in container aaaaaaaaaaaa)"));
  CHECK(contains(page, "<td>7 in shop-5d9f</td>"));
}

TEST_CASE("a row of several processes says of how many", "[html]") {
  Report report = flame_report({flame_site(64, {main_frame}, 0)}, 2);
  report.sites[0].processes = 4;
  CHECK(contains(render_html(report), ">4 processes</td>"));
}

/// A report that says `text` wherever text can be said.
Report page_report(const std::string& text) {
  const Frame frame{FrameKind::native, text, text, "", std::nullopt, text, 3, false};
  Report report = flame_report(
      {flame_site(64, {frame, Frame{FrameKind::note, text, "", "", std::nullopt, "", 0, false}})});
  SiteReport& site = report.sites[0];
  site.source = text;
  site.culprit = 1;
  site.verdict.reasons = {text};
  TargetReport& target = report.targets[0];
  target.comm = target.command_line = target.executable = target.cgroup = text;
  target.verdict.reasons = {text};
  target.limit = MemoryLimit{4096, text};
  target.ended = TargetEnd{text, 3};
  target.python = PythonReport{text, text, std::nullopt, std::nullopt};
  report.host = {text, text, text, 1};
  report.version = report.backend = report.started_at = text;
  report.suppressed = {{{text, 1, 1}}, 1, 1, 1};
  return report;
}

/// The same for a diff.
Diff diff_of(const std::string& text) {
  const Report report = page_report(text);
  Diff diff = flame_diff({diff_row(16, 64, {report.sites[0].frames[0]})});
  diff.rows[0].source = diff.version = text;
  for (DiffSide* side : {&diff.before, &diff.after}) {
    side->file = side->started_at = text;
    side->targets = report.targets;
    side->losses = {text};
  }
  return diff;
}

void check_harmless(const std::string& page, const std::string& plain) {
  for (const char* part : {"<script", "</script>", "<svg", "<img", "<!--", "\"><svg"})
    CHECK(count_of(page, part) == count_of(plain, part));
  for (const char* part : {"\xff", "\x1b", "\a", "\u202e", "\ufffe"})
    CHECK_FALSE(contains(page, part));
  CHECK(page.find('\0') == std::string::npos);
}

TEST_CASE("hostile text cannot leave its place in the page", "[html]") {
  const std::string plain = render_html(page_report("x"));
  const std::string plain_diff = render_html(diff_of("x"));
  for (const std::string& text : hostile_texts()) {
    CAPTURE(text);
    const std::string page = render_html(page_report(text));
    check_harmless(page, plain);
    CHECK(data_of(page)["rows"][0]["source"] == clean_text(text));
    const std::string diff = render_html(diff_of(text));
    check_harmless(diff, plain_diff);
    CHECK(data_of(diff)["rows"][0]["source"] == clean_text(text));
  }
}

TEST_CASE("the page loads nothing", "[html]") {
  for (const std::string& page : {render_html(page_report("x")), render_html(diff_of("x"))}) {
    CHECK(count_of(page, " src=") == 0);
    CHECK(count_of(page, " href=") == 1);
    CHECK(contains(page, "<link rel=\"icon\" href=\"data:,\">"));
    CHECK(count_of(page, "url(") == 0);
    CHECK(count_of(page, "@import") == 0);
    CHECK(contains(page, "default-src 'none'"));
  }
}

TEST_CASE("a diff's page says what became of each stack", "[html]") {
  const std::string page =
      render_html(flame_diff({diff_row(0, 4096, {main_frame}), diff_row(2048, 0, {serve_frame})}));
  CHECK(contains(page, "<h1>Change of outstanding memory of shop (100): +2.0 KB</h1>"));
  CHECK(contains(page, "2 stacks: 1 new, 1 gone, 0 grew, 0 shrank, 0 same"));
  CHECK(contains(page, "<span class=\"badge new\">new</span>"));
  CHECK(contains(page, "data-value=\"-2048\">-2.0 KB</td>"));
  CHECK(contains(page, "monday.json"));
  CHECK(data_of(page)["rows"][1]["facts"][1] == nlohmann::json({"After", "not there"}));
}

TEST_CASE("the assets can stand in a script, a style and a CDATA section", "[html]") {
  for (const std::string_view asset :
       {assets::flame_js, assets::plot_js, assets::page_js, assets::flame_css, assets::page_css}) {
    REQUIRE(asset.size() > 1000);
    CHECK(asset.find("Apache-2.0") != std::string_view::npos);
    for (const char* part : {"</", "<!--", "]]>", "innerHTML", "insertAdjacentHTML", "eval("})
      CHECK(asset.find(part) == std::string_view::npos);
    CHECK(std::all_of(asset.begin(), asset.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
  }
  CHECK(assets::flame_css.find_first_of("<&") == std::string_view::npos);
}

TEST_CASE("text becomes valid UTF-8 without control characters", "[markup]") {
  CHECK(clean_text("größe → 日本 😀") == "größe → 日本 😀");
  CHECK(clean_text("\xc3(") == "\ufffd(");
  CHECK(clean_text("\xed\xa0\x80") == "\ufffd\ufffd\ufffd"); // a surrogate
  CHECK(clean_text("\xc0\xaf") == "\ufffd\ufffd");           // longer than it has to be
  CHECK(clean_text("\xf4\x90\x80\x80") == "\ufffd\ufffd\ufffd\ufffd");
  CHECK(clean_text("end \xe2\x82") == "end \ufffd\ufffd");
  CHECK(clean_text("a\x1b[2J") == "a\\x1b[2J");
  CHECK(escape_markup("<a href='x'>\"&\"</a>") ==
        "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;");
  CHECK(escape_script_json("[\"</script>\"]") == "[\"\\u003c/script>\"]");
}

TEST_CASE("text is cut between characters, by columns", "[markup]") {
  CHECK(cut_text("malloc", 6) == "malloc");
  CHECK(cut_text("malloc", 5) == "mall…");
  CHECK(cut_text("größe", 4) == "grö…");
  CHECK(cut_text("日本語", 6) == "日本語");
  CHECK(cut_text("日本語", 5) == "日本…");
  CHECK(cut_text("日本語", 4) == "日…");
  CHECK(cut_text("abc", 0).empty());
}

} // namespace
} // namespace leakbpf
