// SPDX-License-Identifier: Apache-2.0
#include "base/escape.h"
#include "base/memory_error.h"
#include "base/message_writer.h"
#include "base/standard_fds.h"
#include "base/start_signals.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "kernel/libbpf_log.h"
#include "store/output_file.h"

#include <exception>
#include <new>
#include <optional>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

namespace leakbpf {

namespace {

int fail(MessageWriter& messages, const Error& error) {
  std::string text = fmt::format("leakbpf: error: {}\n", escape_controls(error.message));
  if (!error.hint.empty())
    text += fmt::format("hint: {}\n", escape_controls(error.hint));
  messages.write(text);
  return static_cast<int>(error.code);
}

Result<int> status_of(const Result<ExitCode>& code) {
  if (!code)
    return code.error();
  return static_cast<int>(*code);
}

Result<int> run(const Options& options, const StartSignals& signals, MessageWriter& messages) {
  Interrupts interrupts(signals);
  const Console console(options, messages);
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

int run_program(int argc, char** argv, const StartSignals& signals, MessageWriter& messages) {
  auto parsed = parse_command_line(argc, argv);
  if (!parsed)
    return fail(messages, parsed.error());
  if (parsed->only_text) {
    auto written = write_output("", parsed->text);
    return written ? 0 : fail(messages, written.error());
  }
  auto code = run(parsed->options, signals, messages);
  return code ? *code : fail(messages, code.error());
}

/// Whatever threw, a message is written with what memory is left.
int fail_for(MessageWriter& messages, const std::exception& thrown) noexcept {
  try {
    if (dynamic_cast<const std::bad_alloc*>(&thrown))
      return fail(messages, memory_ran_out(""));
    if (const auto* error = dynamic_cast<const std::system_error*>(&thrown);
        error && error->code() == std::errc::resource_unavailable_try_again)
      return fail(messages, no_more_threads());
    return fail(messages, {ExitCode::cannot_trace, thrown.what(), ""});
  } catch (const std::exception&) {
    messages.write("leakbpf: error: memory ran out\n");
    return static_cast<int>(ExitCode::cannot_trace);
  }
}

} // namespace

} // namespace leakbpf

int main(int argc, char** argv) {
  leakbpf::open_standard_fds();
  const leakbpf::StartSignals signals;
  leakbpf::MessageWriter messages(STDERR_FILENO);
  try {
    return leakbpf::run_program(argc, argv, signals, messages);
  } catch (const std::exception& error) { // out of memory, a broken standard library call
    return leakbpf::fail_for(messages, error);
  }
}
