// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include "cli/option_groups.h"
#include "version.h"

#include <initializer_list>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace leakbpf {

namespace {

Error usage_error(std::string message, std::string hint) {
  return Error{ExitCode::usage, std::move(message), std::move(hint)};
}

// Less than this has no room for a trend after warm-up.
constexpr double shortest_detection = 5;

bool has_selector(const Options& options) {
  return !options.names.empty() || !options.cgroups.empty() || !options.containers.empty() ||
         options.all;
}

bool has_target(const Options& options) {
  return !options.pids.empty() || has_selector(options);
}

Result<void> check_combination(const Options& options) {
  const bool needs_target = options.command == Command::top ||
                            options.command == Command::snapshot ||
                            options.command == Command::detect;
  if (needs_target && !has_target(options))
    return usage_error("no target given",
                       "leakbpf -p PID, or --name, --cgroup, --container, --all; `leakbpf demo` "
                       "needs none");
  if (!needs_target && has_selector(options))
    return usage_error("--name, --cgroup, --container and --all are for top, snapshot and detect",
                       "");
  if (options.command == Command::run && options.kinds == std::vector<std::string>{"python"})
    return usage_error("run cannot follow Python alone: it finds it only once it runs",
                       "--kinds heap,python");
  if (options.command == Command::run && options.duration_seconds)
    return usage_error("run has no --duration: it ends with the command", "");
  if (options.command == Command::detect &&
      options.duration_seconds.value_or(shortest_detection) < shortest_detection)
    return usage_error(fmt::format("detect needs at least {} s to tell growth from what comes and "
                                   "goes",
                                   shortest_detection),
                       "the default is 300");
  if (options.min_size > options.max_size)
    return usage_error("--min-size is above --max-size", "");
  return {};
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

using Commands = std::vector<std::pair<Command, CLI::App*>>;

Commands add_commands(CLI::App& app, Options& options) {
  const auto add = [&app](const char* name, const char* what) {
    return app.add_subcommand(name, what);
  };
  CLI::App* top = add("top", "live view (the default)");
  CLI::App* snapshot = add("snapshot", "trace for a while and write what was found");
  CLI::App* detect = add("detect", "trace for a while; verdict, and exit status 1 for a leak");
  CLI::App* run = add("run", "start a command, trace it to its end, show what it never freed");
  CLI::App* report = add("report", "show a snapshot again");
  CLI::App* diff = add("diff", "what changed from one snapshot to another");
  CLI::App* doctor = add("doctor", "what works here; with -p, where probes would be");
  CLI::App* demo = add("demo", "trace a bundled leaking program for 10 s");
  const auto give = [&options](auto add_options, std::initializer_list<CLI::App*> apps) {
    for (CLI::App* one : apps)
      add_options(*one, options);
  };
  give(add_run_options, {run});
  give(add_detect_options, {detect});
  give(add_report_options, {report});
  give(add_diff_options, {diff});
  give(add_target_options, {&app, top, snapshot, detect, doctor});
  give(add_selectors, {&app, top, snapshot, detect});
  give(add_tracking_options, {&app, top, snapshot, detect, run});
  give(add_resource_options, {&app, top, snapshot, detect, run});
  give(add_row_options, {&app, top, snapshot, run, report, demo});
  give(add_suppressions, {&app, top, snapshot, detect, run, report, demo});
  give(add_text_options, {&app, top, snapshot, run, report, diff, demo});
  give(add_interval, {&app, top, snapshot, run, demo});
  give(add_duration, {&app, top, snapshot, run, demo});
  give(add_loudness, {&app, top, snapshot, detect, run, report, diff, demo});
  add_output_options(*snapshot, options, "json");
  add_output_options(*detect, options, "a verdict in words; with -o json");
  add_output_options(*run, options, "table; with -o json");
  add_output_options(*report, options, "table");
  add_output_options(*diff, options, "table");
  return {{Command::top, top},       {Command::snapshot, snapshot}, {Command::detect, detect},
          {Command::run, run},       {Command::report, report},     {Command::diff, diff},
          {Command::doctor, doctor}, {Command::demo, demo}};
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
  const Commands commands = add_commands(app, options);
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
  for (const auto& [command, subcommand] : commands)
    if (subcommand->parsed())
      options.command = command;
  if (auto sound = check_combination(options); !sound)
    return sound.error();
  return parsed;
}

} // namespace leakbpf
