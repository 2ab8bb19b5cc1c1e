// SPDX-License-Identifier: Apache-2.0
#include "cli/option_groups.h"

#include "cli/option_values.h"
#include "core/pattern.h"

#include <leakbpf/abi.h>

#include <functional>
#include <optional>

#include <fmt/format.h>

namespace leakbpf {

namespace {

template <class T> using Words = std::vector<std::pair<std::string, T>>;

const Words<Backend> backends{
    {"session", Backend::session}, {"multi", Backend::multi}, {"perf", Backend::perf}};
const Words<SortOrder> sort_orders{{"growth", SortOrder::growth},
                                   {"bytes", SortOrder::bytes},
                                   {"count", SortOrder::count},
                                   {"age", SortOrder::age}};
const Words<GroupBy> groupings{{"stack", GroupBy::stack},       {"line", GroupBy::line},
                               {"function", GroupBy::function}, {"handler", GroupBy::handler},
                               {"module", GroupBy::module},     {"process", GroupBy::process}};
const Words<ColorMode> color_modes{
    {"auto", ColorMode::automatic}, {"always", ColorMode::always}, {"never", ColorMode::never}};
const Words<Format> formats{{"table", Format::table},     {"json", Format::json},
                            {"compact", Format::compact}, {"folded", Format::folded},
                            {"pprof", Format::pprof},     {"svg", Format::svg},
                            {"html", Format::html},       {"speedscope", Format::speedscope}};
const std::vector<std::string> kind_words{"heap", "mmap", "brk", "python", "pages", "held"};

constexpr double longest_seconds = 31536000; // a year
constexpr double longest_interval = 86400;
constexpr std::uint64_t most_rows = 1'000'000'000;
constexpr std::uint64_t largest_block = std::uint64_t{1} << 47; // an address space

/// "--interval" of "-i,--interval".
std::string long_name(const std::string& names) {
  const std::size_t at = names.find("--");
  return at == std::string::npos ? names : names.substr(at, names.find(',', at) - at);
}

void insist(const Result<void>& taken) {
  if (!taken)
    throw BadValue(taken.error());
}

/// The type of what an option's value is kept in, which may be optional.
template <class Value> struct Kept { using Type = Value; };
template <class Value> struct Kept<std::optional<Value>> { using Type = Value; };

template <class Parsed, class Value> Result<void> store(const Result<Parsed>& parsed, Value& into) {
  if (!parsed)
    return parsed.error();
  into = static_cast<typename Kept<Value>::Type>(*parsed);
  return {};
}

using Take = std::function<Result<void>(const std::string& option, const std::string& text)>;

/// An option whose one value `take` reads and keeps, or refuses.
CLI::Option* add_value(CLI::App& app, const std::string& names, const Take& take,
                       const std::string& what) {
  return app.add_option_function<std::string>(
      names,
      [option = long_name(names), take](const std::string& text) { insist(take(option, text)); },
      what);
}

/// The same for one that may be repeated.
CLI::Option* add_values(CLI::App& app, const std::string& names, const Take& take,
                        const std::string& what) {
  return app.add_option_function<std::vector<std::string>>(
      names,
      [option = long_name(names), take](const std::vector<std::string>& texts) {
        for (const std::string& text : texts)
          insist(take(option, text));
      },
      what);
}

template <class Value> Take seconds(Value& into, double least, double most) {
  return [&into, least, most](const std::string& option, const std::string& text) {
    return store(decimal_value(option, "seconds", least, most, text), into);
  };
}

template <class Value> Take percent(Value& into, double most) {
  return [&into, most](const std::string& option, const std::string& text) {
    return store(decimal_value(option, "percent", 0, most, text), into);
  };
}

template <class Value> Take size(Value& into, std::uint64_t least, std::uint64_t most) {
  return [&into, least, most](const std::string& option, const std::string& text) {
    return store(size_value(option, least, most, text), into);
  };
}

template <class Value> Take whole(Value& into, std::uint64_t least, std::uint64_t most) {
  return [&into, least, most](const std::string& option, const std::string& text) {
    return store(whole_value(option, least, most, text), into);
  };
}

template <class T, class Value> Take word_of(const Words<T>& words, Value& into) {
  return [&words, &into](const std::string& option, const std::string& text) -> Result<void> {
    std::vector<std::string> names;
    for (const auto& [name, meaning] : words)
      names.push_back(name);
    const auto index = word_index(option, names, text);
    if (!index)
      return index.error();
    into = words[*index].second;
    return {};
  };
}

Take kind(std::vector<std::string>& kinds) {
  return [&kinds](const std::string& option, const std::string& text) -> Result<void> {
    const auto index = word_index(option, kind_words, text);
    if (!index)
      return index.error();
    kinds.push_back(kind_words[*index]);
    return {};
  };
}

Result<void> check_pattern(const std::string& option, const std::string& text) {
  const auto compiled = Pattern::compile(text);
  return compiled ? Result<void>() : compiled.error().in(option);
}

Take pattern(std::string& into) {
  return [&into](const std::string& option, const std::string& text) {
    into = text;
    return check_pattern(option, text);
  };
}

Take patterns(std::vector<std::string>& into) {
  return [&into](const std::string& option, const std::string& text) {
    into.push_back(text);
    return check_pattern(option, text);
  };
}

Take some_text(std::vector<std::string>& into, const std::string& what) {
  return [&into, what](const std::string& option, const std::string& text) -> Result<void> {
    if (text.find_first_not_of(" \t\n") == std::string::npos)
      return refuse_value({option, what}, text);
    into.push_back(text);
    return {};
  };
}

Take pids(std::vector<pid_t>& into) {
  return [&into](const std::string& option, const std::string& text) -> Result<void> {
    const auto parsed = pid_values(option, text);
    if (!parsed)
      return parsed.error();
    into.insert(into.end(), parsed->begin(), parsed->end());
    return {};
  };
}

} // namespace

void add_target_options(CLI::App& app, Options& options) {
  add_values(app, "-p,--pid", pids(options.pids), "trace these processes")
      ->type_name("PID...")
      ->group("Target");
  app.add_flag("--follow-forks,!--no-follow-forks", options.follow_forks,
               "trace child processes too (default: yes)")
      ->group("Target");
}

void add_selectors(CLI::App& app, Options& options) {
  const auto add = [&app](const char* name, const Take& take, const char* what) {
    return add_values(app, name, take, what)
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group("Target");
  };
  add("--name", patterns(options.names),
      "trace processes whose command line matches, including those that start later; adds to the "
      "other selectors")
      ->type_name("REGEX");
  add("--cgroup", some_text(options.cgroups, "a path"),
      "trace every process in this cgroup and below: /system.slice/x.service, or a directory under "
      "/sys/fs/cgroup")
      ->type_name("PATH");
  add("--container", some_text(options.containers, "an id"),
      "trace every process in this container: its ID, or at least the first 6 characters of it")
      ->type_name("ID");
  app.add_flag("-a,--all", options.all, "trace every user process")->group("Target");
}

void add_tracking_options(CLI::App& app, Options& options) {
  constexpr std::uint64_t largest_mean = std::uint64_t{1} << 40;
  app.add_flag("--exact", options.exact, "track every allocation, all the time")->group("Tracking");
  add_value(app, "--sample-bytes", size(options.sample_bytes, 1, largest_mean),
            "mean bytes between heap samples; 1 tracks every block (default: 16K)")
      ->type_name("SIZE")
      ->group("Tracking");
  add_value(app, "--max-overhead", percent(options.max_overhead_percent, 100),
            "per-target overhead limit (% of one core); 0: none (default: 3, with --exact 0)")
      ->type_name("PCT")
      ->group("Tracking");
  add_value(app, "--max-total-overhead", percent(options.max_total_overhead_percent, 6400),
            "overhead limit for all targets together (% of one core; default: none)")
      ->type_name("PCT")
      ->group("Tracking");
  add_value(app, "--min-size", size(options.min_size, 0, largest_block),
            "ignore smaller allocations")
      ->type_name("SIZE")
      ->group("Tracking");
  add_value(app, "--max-size", size(options.max_size, 0, largest_block),
            "ignore larger allocations")
      ->type_name("SIZE")
      ->group("Tracking");
  add_value(app, "--min-age", seconds(options.min_age_seconds, 0, longest_seconds),
            "show only sites with a block at least this old")
      ->type_name("SEC")
      ->group("Tracking");
  add_values(app, "--kinds", kind(options.kinds),
             "what to trace: heap, mmap, brk, python, held (default: these five) or pages; held: "
             "growing Python containers, read from outside without a probe; pages: resident memory "
             "by sampled page faults, almost free without heap")
      ->delimiter(',')
      ->type_name("LIST")
      ->group("Tracking");
}

/// Table sizes, and help for what leakbpf does not find out by itself.
void add_resource_options(CLI::App& app, Options& options) {
  add_value(app, "--max-live", size(options.max_live, 1, 1U << 30),
            "most outstanding blocks to track (default: by the target's size)")
      ->type_name("N")
      ->group("Tracking");
  add_value(app, "--max-stacks", size(options.max_stacks, 1, 1U << 24),
            "most distinct stacks to keep (32768; with -a 65536)")
      ->type_name("N")
      ->group("Tracking");
  add_value(app, "--max-depth", whole(options.max_depth, 1, LEAKBPF_MAX_FRAMES),
            "most frames to keep per stack (127)")
      ->type_name("N")
      ->group("Tracking");
  app.add_option("--object", options.objects, "look for the allocator in this file only")
      ->type_name("PATH")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group("Tracking");
  app.add_option("--symbol-prefix", options.symbol_prefix,
                 "prefix of the allocator's function names (je_ for je_malloc)")
      ->type_name("P")
      ->group("Tracking");
  app.add_flag("--no-python", options.no_python, "native stacks only")->group("Tracking");
  app.add_flag(
         "--reach", options.reach,
         "find who points to what leaks (detect and snapshot do so for processes up to 256 MB)")
      ->group("Tracking");
  app.add_flag("--show-keys", options.show_keys,
               "show the keys of containers, which are users' data")
      ->group("Tracking");
  add_value(app, "--backend", word_of(backends, options.backend),
            "how to attach (default: the best way that works)")
      ->type_name("NAME")
      ->group("Tracking");
}

void add_memory_limit(CLI::App& app, Options& options) {
  add_value(app, "--max-memory", size(options.max_memory, 32U << 20, 1ULL << 40),
            "memory limit for leakbpf itself (default: an eighth of the machine's, 256M to 4G)")
      ->type_name("SIZE")
      ->group("Tracking");
}

void add_suppressions(CLI::App& app, Options& options) {
  app.add_option("--suppressions", options.suppression_files,
                 "ignore stacks that match; in LeakSanitizer's syntax, lines such as leak:PATTERN")
      ->type_name("FILE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group("Display");
}

/// What a row is, which are shown, and in which order.
void add_row_options(CLI::App& app, Options& options) {
  add_value(app, "-n,--top", whole(options.top, 0, most_rows), "rows to show (20; 0: all)")
      ->type_name("N")
      ->group("Display");
  add_value(app, "--sort", word_of(sort_orders, options.sort),
            "sort rows by growth, bytes, count or age (growth)")
      ->type_name("ORDER")
      ->group("Display");
  add_value(app, "--by", word_of(groupings, options.group_by),
            "group rows by stack, line, function, handler, module or process; handler: the "
            "outermost function of the application's own code, in a web service the endpoint")
      ->type_name("WHAT")
      ->group("Display");
  add_value(app, "--filter", pattern(options.filter),
            "show rows with a frame whose function, file or module matches")
      ->type_name("REGEX")
      ->group("Display");
}

void add_text_options(CLI::App& app, Options& options) {
  app.add_flag("--stacks", options.stacks, "show every frame of each row")->group("Display");
  add_value(app, "--color", word_of(color_modes, options.color), "auto, always or never (auto)")
      ->type_name("WHEN")
      ->group("Display");
}

void add_interval(CLI::App& app, Options& options) {
  add_value(app, "-i,--interval", seconds(options.interval_seconds, 0.05, longest_interval),
            "seconds between refreshes (1)")
      ->type_name("SEC")
      ->group("Display");
  app.add_flag("--plain", options.plain,
               "print tables one below the other instead of the full-screen view")
      ->group("Display");
}

void add_duration(CLI::App& app, Options& options) {
  add_value(app, "-d,--duration", seconds(options.duration_seconds, 0.1, longest_seconds),
            "seconds to trace")
      ->type_name("SEC")
      ->group("Display");
}

void add_loudness(CLI::App& app, Options& options) {
  app.add_flag("-q,--quiet", options.quiet, "fewer messages on stderr")->group("Display");
  app.add_flag("-v,--verbose", options.verbose, "more messages on stderr")->group("Display");
}

void add_run_options(CLI::App& app, Options& options) {
  app.add_option("command", options.command_line, "the command and its arguments, behind --")
      ->required()
      ->type_name("COMMAND [ARG...]");
  app.add_flag("--follow-forks,!--no-follow-forks", options.follow_forks,
               "trace its child processes too (default: yes)")
      ->group("Tracking");
  app.add_flag("--python-malloc", options.python_malloc,
               "make Python allocate every object with malloc, so that each is traced (sets "
               "PYTHONMALLOC=malloc)")
      ->group("Tracking");
}

void add_output_options(CLI::App& app, Options& options, const std::string& otherwise) {
  app.add_option("-o,--output", options.output, "write to FILE, all or nothing")
      ->type_name("FILE")
      ->group("Output");
  add_value(app, "--format", word_of(formats, options.format),
            "table, json, compact, folded, pprof, svg, html or speedscope (default: by FILE's "
            "extension; else " +
                otherwise + ")")
      ->type_name("F")
      ->group("Output");
}

/// `detect [DURATION] [INTERVAL]`, and `report FILE`, `diff BEFORE AFTER`.
void add_detect_options(CLI::App& app, Options& options) {
  add_value(app, "-d,--duration,DURATION",
            seconds(options.duration_seconds, shortest_detection, longest_seconds),
            "seconds to trace (300)");
  add_value(app, "-i,--interval,INTERVAL",
            seconds(options.interval_seconds, 0.05, longest_interval),
            "seconds between progress messages (10)");
}

void add_report_options(CLI::App& app, Options& options) {
  app.add_option("FILE", options.files, "a snapshot; - is standard input")->required()->expected(1);
  app.add_flag("--view", options.view, "browse it in a full-screen view")->group("Display");
  app.add_flag("--debuginfod", options.debuginfod,
               "fetch names that the snapshot lacks from the servers in DEBUGINFOD_URLS")
      ->group("Display");
}

void add_diff_options(CLI::App& app, Options& options) {
  add_value(app, "-n,--top", whole(options.top, 0, most_rows), "rows to show (20; 0: all)")
      ->type_name("N")
      ->group("Display");
  app.add_flag("--view", options.view, "browse it in a full-screen view")->group("Display");
  app.add_option("FILES", options.files, "the earlier snapshot and the later one")
      ->required()
      ->expected(2)
      ->type_name("BEFORE AFTER");
}

} // namespace leakbpf
