// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include "version.h"

#include <leakbpf/abi.h>

#include <algorithm>
#include <charconv>
#include <map>

#include <CLI/CLI.hpp>
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
const std::map<std::string, Format> formats{{"table", Format::table}, {"json", Format::json}};

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

void add_tracking_options(CLI::App& app, Options& options) {
  CLI::Option* exact =
      app.add_flag("--exact", options.exact, "follow every allocation, all the time");
  exact->group("Tracking");
  app.add_option("--sample-bytes", options.sample_bytes,
                 "mean bytes between samples (accepted; sampling does not take effect yet)")
      ->transform(size_value())
      ->check(CLI::PositiveNumber)
      ->excludes(exact)
      ->type_name("SIZE")
      ->group("Tracking");
  app.add_option("--max-overhead", options.max_overhead_percent,
                 "most percent of a core the probes may cost, 0: no limit (accepted; does not take "
                 "effect yet)")
      ->check(CLI::Range(0.0, 100.0))
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
  app.add_option("--kinds", options.kinds, "heap, mmap, brk, python (default: all)")
      ->delimiter(',')
      ->check(CLI::IsMember({"heap", "mmap", "brk", "python"}))
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
  app.add_option("--max-stacks", options.max_stacks, "different stacks that can be kept (32768)")
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

void add_display_options(CLI::App& app, Options& options) {
  app.add_option("-i,--interval", options.interval_seconds, "seconds between refreshes (1)")
      ->check(CLI::Range(0.05, 86400.0))
      ->type_name("SEC")
      ->group("Display");
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
  app.add_flag("--stacks", options.stacks, "every frame of each row")->group("Display");
  app.add_flag("--plain", options.plain, "no full-screen view (there is none yet)")
      ->group("Display");
  app.add_option("--color", options.color, "auto, always or never (auto)")
      ->transform(word_of(color_modes))
      ->type_name("WHEN")
      ->group("Display");
}

void add_common_options(CLI::App& app, Options& options) {
  app.add_option("-d,--duration", options.duration_seconds, "seconds to trace")
      ->check(CLI::Range(0.1, 31536000.0))
      ->type_name("SEC")
      ->group("Display");
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

void add_output_options(CLI::App& app, Options& options, const std::string& formats_text) {
  app.add_option("-o,--output", options.output, "write to FILE, whole or not at all")
      ->type_name("FILE")
      ->group("Output");
  app.add_option("--format", options.format, formats_text)
      ->transform(word_of(formats))
      ->type_name("F")
      ->group("Output");
}

Error usage_error(std::string message, std::string hint) {
  return Error{ExitCode::usage, std::move(message), std::move(hint)};
}

Result<void> check_combination(const Options& options) {
  const bool needs_target = options.command == Command::top || options.command == Command::snapshot;
  if (needs_target && options.pids.empty())
    return usage_error("no target given", "leakbpf -p PID; `leakbpf demo` needs none");
  if (options.command == Command::run && options.kinds == std::vector<std::string>{"python"})
    return usage_error("run cannot follow Python alone: it finds it only once it runs",
                       "--kinds heap,python");
  if (options.command == Command::run && options.duration_seconds)
    return usage_error("run has no --duration: it ends with the command", "");
  if (options.min_size > options.max_size)
    return usage_error("--min-size is above --max-size", "");
  return {};
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

} // namespace

Result<ParsedCommandLine> parse_command_line(int argc, const char* const* argv) {
  ParsedCommandLine parsed;
  Options& options = parsed.options;
  CLI::App app("Finds memory leaks in running processes.\n"
               "leakbpf -p PID shows, live, the stacks whose memory is not given back.",
               "leakbpf");
  app.set_version_flag("--version", fmt::format("leakbpf {}", version));
  app.require_subcommand(0, 1);
  CLI::App& top = *app.add_subcommand("top", "live view (the default)");
  CLI::App& snapshot =
      *app.add_subcommand("snapshot", "trace for a while and write what was found");
  CLI::App& run =
      *app.add_subcommand("run", "start a command, trace it to its end, show what it never freed");
  CLI::App& doctor =
      *app.add_subcommand("doctor", "what works here; with -p, where probes would be");
  CLI::App& demo = *app.add_subcommand("demo", "trace a bundled leaking program for 10 s");
  for (CLI::App* traces : {&app, &top, &snapshot})
    add_target_options(*traces, options);
  for (CLI::App* traces : {&app, &top, &snapshot, &run}) {
    add_tracking_options(*traces, options);
    add_resource_options(*traces, options);
  }
  add_run_options(run, options);
  for (CLI::App* shows : {&app, &top, &snapshot, &run, &demo}) {
    add_display_options(*shows, options);
    add_common_options(*shows, options);
  }
  add_output_options(snapshot, options, "json or table (json)");
  add_output_options(run, options, "json or table (table; json with -o)");
  add_target_options(doctor, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    parsed.text = app.help();
    parsed.only_text = true;
    return parsed;
  } catch (const CLI::CallForVersion& wanted) {
    parsed.text = std::string(wanted.what()) + "\n";
    parsed.only_text = true;
    return parsed;
  } catch (const CLI::ParseError& error) {
    return usage_error(first_line(error.what()), "leakbpf --help lists the options");
  }
  if (snapshot.parsed())
    options.command = Command::snapshot;
  else if (run.parsed())
    options.command = Command::run;
  else if (doctor.parsed())
    options.command = Command::doctor;
  else if (demo.parsed())
    options.command = Command::demo;
  if (auto sound = check_combination(options); !sound)
    return sound.error();
  return parsed;
}

} // namespace leakbpf
