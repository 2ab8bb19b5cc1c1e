// SPDX-License-Identifier: Apache-2.0
#include "cli/option_groups.h"

#include <leakbpf/abi.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <regex>

#include <fmt/format.h>

namespace leakbpf {

namespace {

const std::map<std::string, Backend> backends{
    {"session", Backend::session}, {"multi", Backend::multi}, {"perf", Backend::perf}};
const std::map<std::string, SortOrder> sort_orders{{"growth", SortOrder::growth},
                                                   {"bytes", SortOrder::bytes},
                                                   {"count", SortOrder::count},
                                                   {"age", SortOrder::age}};
const std::map<std::string, GroupBy> groupings{
    {"stack", GroupBy::stack},     {"line", GroupBy::line},     {"function", GroupBy::function},
    {"handler", GroupBy::handler}, {"module", GroupBy::module}, {"process", GroupBy::process}};
const std::map<std::string, ColorMode> color_modes{
    {"auto", ColorMode::automatic}, {"always", ColorMode::always}, {"never", ColorMode::never}};
const std::map<std::string, Format> formats{
    {"table", Format::table},           {"json", Format::json},   {"compact", Format::compact},
    {"folded", Format::folded},         {"pprof", Format::pprof}, {"svg", Format::svg},
    {"speedscope", Format::speedscope}, {"html", Format::html}};

/// One of the words of `words`, in any case.
template <class T> CLI::CheckedTransformer word_of(const std::map<std::string, T>& words) {
  CLI::CheckedTransformer transformer(words, CLI::ignore_case);
  std::string description = "one of";
  for (const auto& [word, value] : words)
    description += " " + word;
  transformer.description(description);
  return transformer;
}

/// "16K", "4M", "1G" or plain bytes.
CLI::Validator size_value() {
  // CLI11 alone would take -1 for 2^64 - 1, and K for 1K.
  const auto convert = [units = CLI::AsSizeValue(false)](std::string& text) -> std::string {
    std::string refusal = text + " is no size such as 4096, 16K, 4M or 1G";
    if (text.empty() || text.front() < '0' || text.front() > '9')
      return refusal;
    try {
      if (units(text).empty())
        return "";
      return refusal;
    } catch (const CLI::ValidationError&) { // a unit it does not know
      return refusal;
    }
  };
  return {convert, "SIZE"};
}

CLI::Validator regular_expression() {
  return {[](std::string& text) -> std::string {
            try {
              const std::regex compiled(text);
              return "";
            } catch (const std::regex_error& error) {
              return text + " is no regular expression: " + error.what();
            }
          },
          "REGEX"};
}

CLI::Validator some_text() {
  return {[](std::string& text) -> std::string {
            return text.find_first_not_of(" \t\n") == std::string::npos ? "it is empty" : "";
          },
          ""};
}

/// Adds the PIDs of "17", "17,18" or, from a quoted $(pgrep ...), "17 18" or a line each.
void add_pids(const std::string& text, std::vector<pid_t>& pids) {
  std::size_t at = 0;
  while ((at = text.find_first_not_of(", \t\n", at)) != std::string::npos) {
    const std::size_t end = std::min(text.find_first_of(", \t\n", at), text.size());
    pid_t pid = 0;
    const auto [parsed_to, error] = std::from_chars(&text[at], text.data() + end, pid);
    if (error != std::errc() || parsed_to != text.data() + end || pid <= 0)
      throw CLI::ValidationError("--pid", text.substr(at, end - at) + " is no PID");
    pids.push_back(pid);
    at = end;
  }
}

} // namespace

void add_target_options(CLI::App& app, Options& options) {
  app.add_option_function<std::vector<std::string>>(
         "-p,--pid",
         [&options](const std::vector<std::string>& words) {
           for (const std::string& word : words)
             add_pids(word, options.pids);
         },
         "trace these processes")
      ->type_name("PID...")
      ->group("Target");
  app.add_flag("--follow-forks,!--no-follow-forks", options.follow_forks,
               "child processes too (default: yes)")
      ->group("Target");
}

void add_selectors(CLI::App& app, Options& options) {
  const auto add = [&app](const char* name, std::vector<std::string>& values, const char* what) {
    return app.add_option(name, values, what)
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group("Target");
  };
  add("--name", options.names,
      "processes whose command line matches, also those that start later; it adds to what the "
      "other "
      "options select")
      ->check(regular_expression())
      ->type_name("REGEX");
  add("--cgroup", options.cgroups,
      "every process in it and below: /system.slice/x.service, or one below /sys/fs/cgroup")
      ->check(some_text())
      ->type_name("PATH");
  add("--container", options.containers,
      "every process in it: the id, or at least 6 characters that it begins with")
      ->check(some_text())
      ->type_name("ID");
  app.add_flag("-a,--all", options.all, "every user process")->group("Target");
}

void add_tracking_options(CLI::App& app, Options& options) {
  CLI::Option* exact =
      app.add_flag("--exact", options.exact, "follow every allocation, all the time");
  exact->group("Tracking");
  app.add_option("--sample-bytes", options.sample_bytes,
                 "mean bytes between samples of the heap; 1 follows every block (default: 16K)")
      ->transform(size_value())
      ->check(CLI::PositiveNumber)
      ->excludes(exact)
      ->type_name("SIZE")
      ->group("Tracking");
  app.add_option("--max-overhead", options.max_overhead_percent,
                 "most percent of a core that the probes may cost each target; 0: no limit "
                 "(default: 3, with --exact 0)")
      ->check(CLI::Range(0.0, 100.0))
      ->type_name("PCT")
      ->group("Tracking");
  app.add_option("--max-total-overhead", options.max_total_overhead_percent,
                 "the same for all targets together (default: no limit)")
      ->check(CLI::Range(0.0, 6400.0))
      ->type_name("PCT")
      ->group("Tracking");
  app.add_option("--min-size", options.min_size, "ignore smaller allocations")
      ->transform(size_value())
      ->type_name("SIZE")
      ->group("Tracking");
  app.add_option("--max-size", options.max_size, "ignore larger allocations")
      ->transform(size_value())
      ->type_name("SIZE")
      ->group("Tracking");
  app.add_option("--min-age", options.min_age_seconds, "show only sites with a block this old")
      ->check(CLI::NonNegativeNumber)
      ->type_name("SEC")
      ->group("Tracking");
  app.add_option("--kinds", options.kinds,
                 "heap, mmap, brk, python (default: these four); pages: resident memory by sampled "
                 "page faults, for next to no cost where heap is not among them")
      ->delimiter(',')
      ->check(CLI::IsMember({"heap", "mmap", "brk", "python", "pages"}))
      ->type_name("LIST")
      ->group("Tracking");
}

/// Table sizes, and help for what leakbpf does not find out by itself.
void add_resource_options(CLI::App& app, Options& options) {
  app.add_option("--max-live", options.max_live,
                 "outstanding blocks that can be followed (default: by the target's size)")
      ->transform(size_value())
      ->check(CLI::Range(1U, 1U << 30))
      ->type_name("N")
      ->group("Tracking");
  app.add_option("--max-stacks", options.max_stacks,
                 "different stacks that can be kept (32768; with -a 65536)")
      ->transform(size_value())
      ->check(CLI::Range(1U, 1U << 24))
      ->type_name("N")
      ->group("Tracking");
  app.add_option("--max-depth", options.max_depth, "frames kept of a stack (127)")
      ->check(CLI::Range(1U, static_cast<unsigned>(LEAKBPF_MAX_FRAMES)))
      ->type_name("N")
      ->group("Tracking");
  app.add_option("--object", options.objects, "look for the allocator in this file only")
      ->type_name("PATH")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group("Tracking");
  app.add_option("--symbol-prefix", options.symbol_prefix,
                 "the allocator's names begin with this (je_ for je_malloc)")
      ->type_name("P")
      ->group("Tracking");
  app.add_flag("--no-cache", options.no_cache,
               "keep no unwind tables on disk (else in ~/.cache/leakbpf)")
      ->group("Tracking");
  app.add_flag("--no-python", options.no_python, "native stacks only")->group("Tracking");
  app.add_option("--backend", options.backend, "way to attach (default: the best that works)")
      ->transform(word_of(backends))
      ->type_name("NAME")
      ->group("Tracking");
}

void add_suppressions(CLI::App& app, Options& options) {
  app.add_option("--suppressions", options.suppression_files,
                 "stacks that do not count, in LeakSanitizer's syntax: lines such as leak:PATTERN")
      ->type_name("FILE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group("Display");
}

/// What a row is, which are shown, and in which order.
void add_row_options(CLI::App& app, Options& options) {
  app.add_option("-n,--top", options.top, "rows (20; 0: all)")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->group("Display");
  app.add_option("--sort", options.sort, "growth, bytes, count or age (growth)")
      ->transform(word_of(sort_orders))
      ->type_name("ORDER")
      ->group("Display");
  app.add_option("--by", options.group_by,
                 "what a row is: stack, line, function, handler (the outermost function of the "
                 "application's own code: of a web service, the endpoint), module or process")
      ->transform(word_of(groupings))
      ->type_name("WHAT")
      ->group("Display");
  app.add_option("--filter", options.filter,
                 "rows with a frame whose function, file or module matches")
      ->check(regular_expression())
      ->type_name("REGEX")
      ->group("Display");
}

void add_text_options(CLI::App& app, Options& options) {
  app.add_flag("--stacks", options.stacks, "every frame of each row")->group("Display");
  app.add_option("--color", options.color, "auto, always or never (auto)")
      ->transform(word_of(color_modes))
      ->type_name("WHEN")
      ->group("Display");
}

void add_interval(CLI::App& app, Options& options) {
  app.add_option("-i,--interval", options.interval_seconds, "seconds between refreshes (1)")
      ->check(CLI::Range(0.05, 86400.0))
      ->type_name("SEC")
      ->group("Display");
  app.add_flag("--plain", options.plain, "no full-screen view (there is none yet)")
      ->group("Display");
}

void add_duration(CLI::App& app, Options& options) {
  app.add_option("-d,--duration", options.duration_seconds, "seconds to trace")
      ->check(CLI::Range(0.1, 31536000.0))
      ->type_name("SEC")
      ->group("Display");
}

void add_loudness(CLI::App& app, Options& options) {
  app.add_flag("-q,--quiet", options.quiet, "less on stderr")->group("Display");
  app.add_flag("-v,--verbose", options.verbose, "more on stderr")->group("Display");
}

void add_run_options(CLI::App& app, Options& options) {
  app.add_option("command", options.command_line, "the command and its arguments, behind --")
      ->required()
      ->type_name("COMMAND [ARG...]");
  app.add_flag("--follow-forks,!--no-follow-forks", options.follow_forks,
               "its child processes too (default: yes)")
      ->group("Tracking");
  app.add_flag("--python-malloc", options.python_malloc,
               "have Python take every object from malloc, so that each is traced "
               "(sets PYTHONMALLOC=malloc)")
      ->group("Tracking");
}

void add_output_options(CLI::App& app, Options& options, const std::string& otherwise) {
  app.add_option("-o,--output", options.output, "write to FILE, whole or not at all")
      ->type_name("FILE")
      ->group("Output");
  app.add_option("--format", options.format,
                 "table, json, compact, folded, pprof, svg, html or speedscope (default: what "
                 "FILE's name ends in; else " +
                     otherwise + ")")
      ->transform(word_of(formats))
      ->type_name("F")
      ->group("Output");
}

/// `detect [DURATION] [INTERVAL]`, and `report FILE`, `diff BEFORE AFTER`.
void add_detect_options(CLI::App& app, Options& options) {
  app.add_option("-d,--duration,DURATION", options.duration_seconds, "seconds to trace (300)")
      ->check(CLI::Range(0.1, 31536000.0));
  app.add_option("-i,--interval,INTERVAL", options.interval_seconds,
                 "seconds between signs of progress (10)")
      ->check(CLI::Range(0.05, 86400.0));
}

void add_report_options(CLI::App& app, Options& options) {
  app.add_option("FILE", options.files, "a snapshot; - is standard input")->required()->expected(1);
  app.add_flag("--debuginfod", options.debuginfod,
               "ask the servers in DEBUGINFOD_URLS for names that the snapshot lacks")
      ->group("Display");
}

void add_diff_options(CLI::App& app, Options& options) {
  app.add_option("-n,--top", options.top, "rows (20; 0: all)")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->group("Display");
  app.add_option("FILES", options.files, "the snapshot before, and the one after")
      ->required()
      ->expected(2)
      ->type_name("BEFORE AFTER");
}

} // namespace leakbpf
