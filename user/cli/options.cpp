// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include "cli/option_groups.h"
#include "version.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace leakbpf {

namespace {

Error usage_error(std::string message, std::string hint) {
  return Error{ExitCode::usage, std::move(message), std::move(hint)};
}

constexpr const char* help_hint = "leakbpf --help lists the options";

bool has_selector(const Options& options) {
  return !options.names.empty() || !options.cgroups.empty() || !options.containers.empty() ||
         options.all;
}

bool has_target(const Options& options) {
  return !options.pids.empty() || has_selector(options);
}

/// A command becomes a Python only when it runs, and what it takes before shows nothing of that.
bool wants_python_alone(const Options& options) {
  return !options.kinds.empty() &&
         std::all_of(options.kinds.begin(), options.kinds.end(),
                     [](const std::string& kind) { return kind == "python" || kind == "held"; });
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
  if (options.command == Command::run && wants_python_alone(options))
    return usage_error("run cannot trace Python alone: an interpreter is found only once it runs",
                       "--kinds heap,python,held");
  if (options.command == Command::run && options.duration_seconds)
    return usage_error("run has no --duration: it ends with the command", "");
  if (options.exact && options.sample_bytes)
    return usage_error("--exact and --sample-bytes exclude each other",
                       "--exact means --sample-bytes 1 --max-overhead 0");
  if (options.min_size > options.max_size)
    return usage_error("--min-size is above --max-size", "");
  return {};
}

using Commands = std::vector<std::pair<Command, CLI::App*>>;

Commands add_commands(CLI::App& app, Options& options) {
  const auto add = [&app](const char* name, const char* what) {
    return app.add_subcommand(name, what);
  };
  CLI::App* top = add("top", "live view (the default)");
  CLI::App* snapshot = add("snapshot", "trace for a while, then write a snapshot");
  CLI::App* detect = add("detect", "trace for a while and give a verdict; exits with 1 for a leak");
  CLI::App* run = add("run", "run a command and show what it never freed");
  CLI::App* report = add("report", "show a saved snapshot");
  CLI::App* diff = add("diff", "compare two snapshots");
  CLI::App* doctor =
      add("doctor", "check what works on this machine; with -p, where probes would go");
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
  give(add_memory_limit, {&app, top, snapshot, detect, run, report, diff, demo});
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

std::string name_of_parsed(const Commands& commands) {
  for (const auto& [command, app] : commands)
    if (app->parsed())
      return app->get_name();
  return "";
}

Error explain_extra(const std::vector<std::string>& extra, const std::string& command) {
  const std::string word = extra.empty() ? "" : extra.front();
  if (!word.starts_with('-'))
    return usage_error(fmt::format("unexpected argument: {}", word), help_hint);
  if (command.empty())
    return usage_error(fmt::format("there is no option {}", word), help_hint);
  return usage_error(fmt::format("{} has no option {}", command, word),
                     fmt::format("leakbpf {} --help lists its options", command));
}

/// `name` is the option's or argument's.
Error explain_count(const std::string& name, const std::string& text, const std::string& command) {
  if (command == "diff" && name == "FILES")
    return usage_error("diff needs two snapshots", "leakbpf diff BEFORE AFTER");
  if (text.find("At Most") != std::string::npos)
    return usage_error(fmt::format("{} may be given only once", name), help_hint);
  if (text.find("override") != std::string::npos)
    return usage_error(fmt::format("{} takes no value", name), help_hint);
  return usage_error(fmt::format("{} needs a value", name), help_hint);
}

Error explain_missing(const std::string& command) {
  if (command == "report")
    return usage_error("report needs a snapshot", "leakbpf report FILE");
  if (command == "diff")
    return usage_error("diff needs two snapshots", "leakbpf diff BEFORE AFTER");
  return usage_error("run needs a command", "leakbpf run -- COMMAND [ARG...]");
}

/// The option that the parser speaks of, else the positional argument.
std::string named_in(const std::string& text) {
  const std::size_t dash = text.starts_with('-') ? 0 : text.find(" -");
  const std::size_t at = dash == std::string::npos || dash == 0 ? 0 : dash + 1;
  return text.substr(at, text.find_first_of(": =", at) - at);
}

/// What the parser found wrong, in our own words: its own are about its own types.
Error explain(const CLI::ParseError& error, const CLI::App& app, const Commands& commands) {
  const std::string text = error.what();
  const std::string name = named_in(text);
  const std::string command = name_of_parsed(commands);
  if (dynamic_cast<const CLI::ExtrasError*>(&error))
    return explain_extra(app.remaining(true), command);
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error))
    return explain_count(name, text, command);
  if (dynamic_cast<const CLI::RequiredError*>(&error))
    return explain_missing(command);
  if (dynamic_cast<const CLI::ConversionError*>(&error))
    return usage_error(fmt::format("{} takes no value", name), help_hint);
  return usage_error("this command line cannot be parsed", help_hint);
}

} // namespace

Result<ParsedCommandLine> parse_command_line(int argc, const char* const* argv) {
  ParsedCommandLine parsed;
  Options& options = parsed.options;
  CLI::App app("Finds memory leaks in running processes.\n`leakbpf -p PID` shows live which call "
               "stacks keep memory.",
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
  } catch (const BadValue& value) {
    return value.error();
  } catch (const CLI::ParseError& error) {
    return explain(error, app, commands);
  }
  for (const auto& [command, subcommand] : commands)
    if (subcommand->parsed())
      options.command = command;
  if (auto sound = check_combination(options); !sound)
    return sound.error();
  return parsed;
}

} // namespace leakbpf
