// SPDX-License-Identifier: Apache-2.0
#include "cli/results.h"

#include "base/background.h"
#include "base/memory_error.h"
#include "store/output_file.h"

#include <cstdlib>
#include <new>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace leakbpf {

namespace {

bool is_binary(Format format) {
  return format == Format::pprof || format == Format::compact;
}

/// A file has no width and wants no escapes.
TableStyle style_for(const Options& options) {
  TableStyle style = table_style(options);
  if (!to_stdout(options)) {
    style.color = false;
    style.width = 0;
  }
  return style;
}

Result<std::string> rendered(const Report& report, const Options& options, Format otherwise) {
  try {
    return render(report, format_of(options, otherwise), style_for(options));
  } catch (const std::bad_alloc&) {
    return memory_ran_out(fmt::format("the output of {} stacks", report.sites.size()));
  }
}

} // namespace

bool to_stdout(const Options& options) {
  return options.output.empty() || options.output == "-";
}

Format format_of(const Options& options, Format otherwise) {
  if (options.format)
    return *options.format;
  return format_of_name(options.output).value_or(otherwise);
}

TableStyle table_style(const Options& options) {
  TableStyle style;
  style.stacks = options.stacks;
  style.filtered = !options.filter.empty();
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  style.color = options.color == ColorMode::always ||
                (options.color == ColorMode::automatic && terminal && !std::getenv("NO_COLOR"));
  winsize size{};
  if (terminal && !options.stacks && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
    style.width = size.ws_col;
  return style;
}

Result<void> check_result(const Options& options, Format otherwise) {
  if (is_binary(format_of(options, otherwise)) && to_stdout(options) && isatty(STDOUT_FILENO) == 1)
    return Error{ExitCode::usage, "this format is not for a terminal",
                 "write it to a file: -o FILE"};
  return check_output(options.output);
}

Result<void> write_result(const Report& report, const Options& options, Format otherwise) {
  const auto text = rendered(report, options, otherwise);
  return text ? write_output(options.output, *text) : text.error();
}

Result<void> write_result(const Diff& diff, const Options& options) {
  return write_output(options.output, render(diff, format_of(options, Format::table),
                                             style_for(options), options.top));
}

Result<void> write_traced(const Report& report, const Options& options, Format otherwise,
                          Interrupts& interrupts) {
  auto text = rendered(report, options, otherwise);
  if (!text)
    return text.error();
  return write_unless_interrupted(options.output, std::move(*text), interrupts);
}

Result<void> write_unless_interrupted(const std::string& path, std::string text,
                                      Interrupts& interrupts) {
  interrupts.forget(); // those that came while there was nothing to wait for
  Background<Result<void>> writing(
      [path, text = std::move(text)] { return write_output(path, text); });
  if (writing.wait_unless(interrupts.fd()))
    return writing.take();
  return Error{ExitCode::io,
               fmt::format("interrupted while {} did not accept the result", output_name(path)),
               ""};
}

} // namespace leakbpf
