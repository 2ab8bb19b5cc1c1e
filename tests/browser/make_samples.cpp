// SPDX-License-Identifier: Apache-2.0
// Writes a report and a diff of made-up programs as flame graphs and pages, to look at and to test
// in a browser: make_samples FOLDER. Every run writes the same.
#include "core/culprit.h"
#include "core/diff.h"
#include "core/report.h"
#include "render/flame_svg.h"
#include "render/html.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace leakbpf {
namespace {

constexpr double megabyte = 1 << 20;
constexpr double run_seconds = 300;
constexpr std::size_t samples = 100;

FrameRef native(const std::string& function, const std::string& file, std::uint32_t line,
                const std::string& module, bool inlined = false) {
  return Frame{FrameKind::native,  function, module, "5f0c2ad1",
               0x41a0 + 16 * line, file,     line,   inlined};
}

FrameRef python(const std::string& function, const std::string& file, std::uint32_t line) {
  return Frame{FrameKind::python, function, "", "", std::nullopt, file, line, false};
}

FrameRef note(const std::string& text) {
  return Frame{FrameKind::note, text, "", "", std::nullopt, "", 0, false};
}

/// A stack part, innermost first.
struct Part {
  Frames frames;
  std::string source; ///< of its innermost line of the application
};

Frames operator+(Frames inner, const Frames& outer) {
  inner.insert(inner.end(), outer.begin(), outer.end());
  return inner;
}

const std::string interpreter = "/usr/bin/python3.11";
const std::string site_packages = "/srv/shop/venv/lib/python3.11/site-packages/";

/// From the start of the process to the application's request handlers.
Frames web_server() {
  return {python("run_endpoint_function", site_packages + "fastapi/routing.py", 191),
          python("app", site_packages + "fastapi/routing.py", 274),
          python("handle", site_packages + "starlette/routing.py", 276),
          python("__call__", site_packages + "starlette/middleware/exceptions.py", 62),
          python("__call__", site_packages + "starlette/middleware/errors.py", 164),
          python("run_asgi", site_packages + "uvicorn/protocols/http/h11_impl.py", 404),
          python("run", "/usr/lib/python3.11/asyncio/runners.py", 190),
          python("main", site_packages + "uvicorn/main.py", 410),
          native("Py_RunMain", "", 0, interpreter),
          native("__libc_start_main_impl", "../csu/libc-start.c", 360,
                 "/lib/x86_64-linux-gnu/libc.so.6"),
          native("_start", "", 0, interpreter)};
}

std::vector<Part> handlers() {
  return {{{python("add_to_cart", "/srv/shop/app/cart.py", 88)}, "SESSIONS[user.id].append(item)"},
          {{python("search", "/srv/shop/app/search.py", 41)}, "results = index.lookup(query)"},
          {{python("render_invoice", "/srv/shop/app/invoices.py", 133)},
           "pdf = Invoice(order).render()"},
          {{python("product_page", "/srv/shop/app/catalog.py", 57)}, "product = load_product(sku)"},
          {{python("login", "/srv/shop/app/accounts.py", 29)}, "token = issue_token(user)"}};
}

std::vector<Part> python_leaves() {
  const FrameRef allocate = native("_PyObject_Malloc", "Objects/obmalloc.c", 1951, interpreter);
  return {{{allocate, native("list_resize", "Objects/listobject.c", 74, interpreter),
            python("remember", "/srv/shop/app/sessions.py", 17)},
           "self.items.append(entry)"},
          {{allocate, native("dict_resize", "Objects/dictobject.c", 1231, interpreter),
            python("cache_row", "/srv/shop/app/cache.py", 52)},
           "_rows[key] = row"},
          {{native("malloc", "", 0, "/lib/x86_64-linux-gnu/libc.so.6"),
            native("scan_once_unicode", "Modules/_json.c", 1090, interpreter),
            python("raw_decode", "/usr/lib/python3.11/json/decoder.py", 353),
            python("loads", "/usr/lib/python3.11/json/__init__.py", 346),
            python("fetch_prices", "/srv/shop/app/prices.py", 23)},
           "prices = json.loads(body)"},
          {{native("sqlite3MemMalloc", "", 0, "/lib/x86_64-linux-gnu/libsqlite3.so.0"),
            native("sqlite3Prepare", "", 0, "/lib/x86_64-linux-gnu/libsqlite3.so.0"),
            python("execute", site_packages + "sqlalchemy/engine/base.py", 1416),
            python("load_rows", "/srv/shop/app/db.py", 64)},
           "rows = session.execute(statement)"}};
}

/// The image service in C++.
Frames thumbnailer() {
  const std::string module = "/opt/thumbd/bin/thumbd";
  return {native("thumbd::Worker::serve(thumbd::Request const&)", "/src/thumbd/worker.cpp", 118,
                 module),
          native("void std::__invoke_impl<void, void (thumbd::Worker::*)(), thumbd::Worker*>()",
                 "/usr/include/c++/12/bits/invoke.h", 74, module, true),
          native("thumbd::Worker::run()", "/src/thumbd/worker.cpp", 57, module),
          native("execute_native_thread_routine", "", 0, "/lib/x86_64-linux-gnu/libstdc++.so.6"),
          native("start_thread", "./nptl/pthread_create.c", 442, "/lib/x86_64-linux-gnu/libc.so.6"),
          native("clone3", "", 0, "/lib/x86_64-linux-gnu/libc.so.6")};
}

std::vector<Part> native_leaves() {
  const std::string module = "/opt/thumbd/bin/thumbd";
  const FrameRef allocate =
      native("operator new(unsigned long)", "", 0, "/lib/x86_64-linux-gnu/libstdc++.so.6");
  const std::string hash_node =
      "std::__detail::_Hashtable_alloc<std::allocator<std::__detail::_Hash_node<std::pair<"
      "std::basic_string<char> const, thumbd::Cache<std::basic_string<char>, thumbd::Bitmap>::"
      "Entry>, true>>>::_M_allocate_node()";
  return {
      {{allocate,
        native(hash_node, "/usr/include/c++/12/bits/hashtable_policy.h", 2019, module, true),
        native("thumbd::Cache<std::basic_string<char>, thumbd::Bitmap>::insert(std::basic_string<"
               "char>, thumbd::Bitmap&&)",
               "/src/thumbd/cache.h", 71, module)},
       "entries_.emplace(key, std::move(bitmap));"},
      {{allocate, native("thumbd::decode_jpeg(std::span<std::byte const>)", "/src/thumbd/jpeg.cpp",
                         203, module)},
       "auto* rows = new JSAMPROW[height];"},
      {{native("mmap64", "", 0, "/lib/x86_64-linux-gnu/libc.so.6"),
        native("thumbd::Arena::grow(unsigned long)", "/src/thumbd/arena.cpp", 33, module)},
       "void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE,"},
      {{note("the stack ends here: no call-frame information for this code, and no frame pointer")},
       ""}};
}

/// Numbers without meaning, between 0 and 1: the van der Corput sequence, which spreads evenly.
double spread(std::size_t index) {
  double value = 0;
  double share = 0.5;
  for (; index > 0; index /= 2, share /= 2)
    value += index % 2 == 1 ? share : 0;
  return value;
}

Severity severity_of(double megabytes_per_minute) {
  return megabytes_per_minute >= 5     ? Severity::high
         : megabytes_per_minute >= 1   ? Severity::medium
         : megabytes_per_minute >= 0.1 ? Severity::low
                                       : Severity::none;
}

/// A site that holds `bytes` in the end and took them evenly, or, when it does not leak, early.
SiteReport make_site(std::size_t target, Frames frames, const std::string& source, double bytes,
                     bool leaks, std::size_t number) {
  SiteReport site;
  site.target = target;
  site.pid = target == 0 ? 4242 : 4310;
  site.key = {static_cast<std::uint32_t>(target),
              frames.front()->function == "mmap64"             ? LEAKBPF_KIND_MMAP
              : frames.front()->function == "_PyObject_Malloc" ? LEAKBPF_KIND_PYTHON
                                                               : LEAKBPF_KIND_HEAP,
              number};
  const double block = 64 + 448 * spread(number);
  const auto taken = static_cast<std::uint64_t>(bytes * (leaks ? 1.02 : 9));
  const auto kept = static_cast<std::uint64_t>(bytes);
  site.totals = {taken, taken / static_cast<std::uint64_t>(block), taken - kept,
                 (taken - kept) / static_cast<std::uint64_t>(block)};
  const double rate = leaks ? bytes / (run_seconds / 60) : bytes * 1e-4;
  site.growth_bytes_per_minute = rate;
  site.oldest_age_seconds = run_seconds - 3 - 40 * spread(number);
  site.median_age_seconds = leaks ? run_seconds / 2 : 4;
  site.frames = std::move(frames);
  site.culprit = find_culprit(site.frames);
  site.source = source;
  const Severity severity = severity_of(rate / megabyte);
  site.verdict.severity = severity;
  if (severity > Severity::none)
    site.verdict.reasons = {"grows steadily since the end of the warm-up",
                            "of the bytes allocated more than a minute ago, 98% are still live"};
  site.score = leaks ? 0.98 : 0.1;
  site.old_survival_percent = leaks ? 98 : 4;
  site.survival_age_seconds = 60;
  for (std::size_t i = 0; i < samples; i++) {
    const double t = static_cast<double>(i + 1) / samples;
    const double wave = 1 + 0.06 * std::sin(static_cast<double>(i * (number + 3)) / 3);
    const double part = leaks ? t : std::min(1.0, 8 * t) * wave;
    site.series.push_back(static_cast<std::uint64_t>(bytes * part));
  }
  site.estimated = number % 3 == 0;
  if (site.estimated)
    site.standard_error_bytes = bytes * 0.04;
  return site;
}

std::vector<SiteReport> make_sites() {
  std::vector<SiteReport> sites;
  const auto add = [&](std::size_t target, const Part& leaf, const Frames& outer, bool leaks) {
    const std::size_t number = sites.size() + 1;
    const double bytes = megabyte * (leaks ? 40 : 6) * (0.05 + spread(number));
    sites.push_back(make_site(target, leaf.frames + outer, leaf.source, bytes, leaks, number));
  };
  for (const Part& handler : handlers()) {
    for (const Part& leaf : python_leaves()) {
      add(0, leaf, handler.frames + web_server(), leaf.source.starts_with("self.items"));
      if (sites.size() % 2 == 0)
        add(0, leaf, web_server(), false);
    }
  }
  for (std::size_t depth = 0; sites.size() < 40; depth++)
    for (const Part& leaf : native_leaves()) {
      const bool whole = leaf.frames.front()->kind != FrameKind::note;
      add(1, leaf, whole ? thumbnailer() : Frames{}, depth == 0 && whole);
    }
  std::stable_sort(sites.begin(), sites.end(), [](const SiteReport& a, const SiteReport& b) {
    return a.growth_bytes_per_minute > b.growth_bytes_per_minute;
  });
  for (std::size_t i = 0; i < sites.size(); i++)
    sites[i].rank = i + 1;
  return sites;
}

TargetReport web_target() {
  TargetReport target;
  target.pid = 4242;
  target.ppid = 1;
  target.comm = "uvicorn";
  target.command_line = "/srv/shop/venv/bin/python3 -m uvicorn app.main:app --workers 1";
  target.executable = interpreter;
  target.cgroup = "/system.slice/shop.service";
  target.rss_start_bytes = static_cast<std::uint64_t>(210 * megabyte);
  target.rss_growth_bytes_per_minute = 27.4 * megabyte;
  target.limit =
      MemoryLimit{static_cast<std::uint64_t>(1024 * megabyte), "cgroup /system.slice/shop.service"};
  target.seconds_to_limit = 1490;
  target.explained_percent = 96.4;
  target.verdict = {Severity::critical,
                    {"the limit of 1.0 GB is reached in 24m50s at this rate",
                     "RSS grows by 27.4 MB/min, at least 25.9 MB/min with 95% confidence",
                     "12 blocks were not tracked: the numbers are a little too small"}};
  PythonReport python;
  python.version = "3.11";
  python.small_objects = PythonReport::SmallObjects{312, static_cast<std::uint64_t>(78 * megabyte),
                                                    4921, static_cast<std::uint64_t>(76 * megabyte),
                                                    static_cast<std::uint64_t>(71 * megabyte)};
  python.collections = PythonReport::Collections{214, 1.9, 0.62};
  target.python = python;
  return target;
}

TargetReport image_target() {
  TargetReport target;
  target.pid = 4310;
  target.ppid = 1;
  target.comm = "thumbd";
  target.command_line = "/opt/thumbd/bin/thumbd --threads 8";
  target.executable = "/opt/thumbd/bin/thumbd";
  target.rss_start_bytes = static_cast<std::uint64_t>(96 * megabyte);
  target.rss_growth_bytes_per_minute = 3.1 * megabyte;
  target.explained_percent = 88;
  target.verdict = {Severity::medium, {"RSS grows by 3.1 MB/min"}};
  return target;
}

void add_history(Report& report) {
  for (std::size_t i = 0; i < samples; i++) {
    const double t = run_seconds * static_cast<double>(i + 1) / samples;
    report.series_times.push_back(t);
    for (std::size_t index = 0; index < report.targets.size(); index++) {
      HistoryPoint point;
      point.t_seconds = t;
      point.pid = report.targets[index].pid;
      for (const SiteReport& site : report.sites)
        point.outstanding_bytes += site.target == index ? site.series[i] : 0;
      const std::uint64_t base = *report.targets[index].rss_start_bytes;
      point.rss_bytes = base + point.outstanding_bytes;
      if (index == 0) {
        point.file_bytes = static_cast<std::uint64_t>(31 * megabyte);
        point.anonymous_bytes = *point.rss_bytes - *point.file_bytes;
        point.cgroup_bytes = *point.rss_bytes + static_cast<std::uint64_t>(24 * megabyte);
      }
      report.history.push_back(point);
    }
  }
}

Report make_report() {
  Report report;
  report.version = "0.1.0";
  report.host = {"shop-3", "6.1.0-28-amd64", "x86_64", 8};
  report.started_at = "2026-01-31T09:30:00Z";
  report.duration_seconds = run_seconds;
  report.sampling = {16384, false};
  report.backend = "multi";
  report.overhead = {8312904, 1.31, 0.92, 1.4};
  report.losses.at(LEAKBPF_LOSS_LIVE_TABLE_FULL) = 12;
  report.losses.at(LEAKBPF_LOSS_UNWIND_FAILED) = 381;
  report.targets = {web_target(), image_target()};
  report.sites = make_sites();
  report.site_count = report.sites.size() + 1203;
  report.suppressed = {{{"^PyImport_", 14, 2 << 20}}, 14, 2 << 20, 4096};
  add_history(report);
  for (std::size_t index = 0; index < report.targets.size(); index++) {
    TargetReport& target = report.targets[index];
    for (const SiteReport& site : report.sites) {
      target.outstanding_bytes += site.target == index ? site.totals.outstanding_bytes() : 0;
      target.outstanding_count += site.target == index ? site.totals.outstanding_count() : 0;
    }
    target.rss_end_bytes = *target.rss_start_bytes + target.outstanding_bytes;
  }
  return report;
}

DiffSide make_side(const Report& report, const std::string& file) {
  DiffSide side{file, report.started_at, report.duration_seconds, report.targets, 0, 0, {}};
  side.losses = {"12 blocks not tracked: the outstanding-block table is full"};
  return side;
}

/// What another five minutes did: some sites grew, some shrank, a few came or went.
Diff make_diff(const Report& report) {
  Diff diff;
  diff.version = report.version;
  diff.before = make_side(report, "monday.json");
  diff.after = make_side(report, "tuesday.json");
  diff.after.started_at = "2026-02-01T09:30:00Z";
  for (const SiteReport& site : report.sites) {
    DiffRow row;
    row.kind = site.key.kind;
    row.frames = site.frames;
    row.culprit = site.culprit;
    row.source = site.source;
    const DiffFigures figures{site.totals, site.growth_bytes_per_minute, site.verdict.severity};
    const std::size_t number = site.rank;
    if (number % 11 != 5)
      row.before = figures;
    if (number % 13 != 7)
      row.after = figures;
    if (row.before && row.after && number % 4 != 0) {
      const auto part = static_cast<std::uint64_t>(
          static_cast<double>(site.totals.outstanding_bytes()) * (number % 3 == 0 ? 0.5 : 0.9));
      (number % 3 == 0 ? row.after : row.before)->totals.freed_bytes += part;
    }
    const double change = row.bytes_change();
    row.change = !row.before  ? Change::added
                 : !row.after ? Change::gone
                 : change > 0 ? Change::grew
                 : change < 0 ? Change::shrank
                              : Change::same;
    for (auto [from, to] :
         {std::pair{&row.before, &diff.before}, std::pair{&row.after, &diff.after}}) {
      to->outstanding_bytes += *from ? (*from)->totals.outstanding_bytes() : 0;
      to->outstanding_count += *from ? (*from)->totals.outstanding_count() : 0;
    }
    diff.rows.push_back(std::move(row));
  }
  std::stable_sort(diff.rows.begin(), diff.rows.end(), [](const DiffRow& a, const DiffRow& b) {
    return a.bytes_change() > b.bytes_change();
  });
  for (std::size_t i = 0; i < diff.rows.size(); i++)
    diff.rows[i].rank = i + 1;
  return diff;
}

bool write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file)
    std::fprintf(stderr, "make_samples: cannot write %s\n", path.c_str());
  return static_cast<bool>(file);
}

} // namespace
} // namespace leakbpf

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_samples FOLDER\n");
    return 2;
  }
  using namespace leakbpf;
  const std::filesystem::path folder = argv[1];
  std::error_code error;
  std::filesystem::create_directories(folder, error); // a failure shows when files are written
  const Report report = make_report();
  const Diff diff = make_diff(report);
  const bool written = write(folder / "report.svg", render_svg(report)) &&
                       write(folder / "report.html", render_html(report)) &&
                       write(folder / "diff.svg", render_svg(diff)) &&
                       write(folder / "diff.html", render_html(diff));
  return written ? 0 : 1;
}
