// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/options.h"
#include "kernel/libbpf_log.h"
#include "render/escape.h"
#include "store/output_file.h"

#include <cstdio>
#include <exception>
#include <optional>

#include <fmt/format.h>

namespace leakbpf {

void Console::warn(const std::string& text) const {
  fmt::print(stderr, "leakbpf: warning: {}\n", escape_controls(text));
}

void Console::inform(const std::string& text) const {
  if (!quiet_)
    fmt::print(stderr, "leakbpf: {}\n", escape_controls(text));
}

void Console::detail(const std::string& text) const {
  if (verbose_)
    fmt::print(stderr, "leakbpf: {}\n", escape_controls(text));
}

namespace {

int fail(const Error& error) {
  fmt::print(stderr, "leakbpf: error: {}\n", escape_controls(error.message));
  if (!error.hint.empty())
    fmt::print(stderr, "hint: {}\n", error.hint);
  return static_cast<int>(error.code);
}

Result<int> status_of(const Result<ExitCode>& code) {
  if (!code)
    return code.error();
  return static_cast<int>(*code);
}

Result<int> run(const Options& options) {
  Interrupts interrupts;
  const Console console(options);
  std::optional<QuietLibbpf> quiet;
  if (!options.verbose)
    quiet.emplace();
  switch (options.command) {
  case Command::snapshot:
    return status_of(run_snapshot(options, interrupts, console));
  case Command::run:
    return run_command(options, interrupts, console);
  case Command::detect:
    return status_of(run_detect(options, interrupts, console));
  case Command::report:
    return status_of(run_report(options));
  case Command::diff:
    return status_of(run_diff(options));
  case Command::doctor:
    return status_of(run_doctor(options));
  case Command::demo:
    return status_of(run_demo(options, interrupts, console));
  case Command::top:
    break;
  }
  return status_of(run_top(options, interrupts, console));
}

int run_program(int argc, char** argv) {
  auto parsed = parse_command_line(argc, argv);
  if (!parsed)
    return fail(parsed.error());
  if (parsed->only_text) {
    auto written = write_output("", parsed->text);
    return written ? 0 : fail(written.error());
  }
  auto code = run(parsed->options);
  return code ? *code : fail(code.error());
}

} // namespace

} // namespace leakbpf

int main(int argc, char** argv) {
  try {
    return leakbpf::run_program(argc, argv);
  } catch (const std::exception& error) { // out of memory, a broken standard library call
    return leakbpf::fail({leakbpf::ExitCode::cannot_trace, error.what(), ""});
  }
}
