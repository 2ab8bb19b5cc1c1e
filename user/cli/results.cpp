// SPDX-License-Identifier: Apache-2.0
#include "cli/results.h"

#include "store/output_file.h"

#include <cstdlib>

#include <sys/ioctl.h>
#include <unistd.h>

namespace leakbpf {

namespace {

bool is_binary(Format format) {
  return format == Format::pprof || format == Format::compact;
}

/// A file has no width and wants no escapes.
TableStyle style_for(const Options& options) {
  return to_stdout(options) ? table_style(options) : TableStyle{options.stacks, false, 0};
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
    return Error{ExitCode::usage, "this format is not for a terminal", "-o FILE names a file"};
  return check_output(options.output);
}

Result<void> write_result(const Report& report, const Options& options, Format otherwise) {
  return write_output(options.output,
                      render(report, format_of(options, otherwise), style_for(options)));
}

Result<void> write_result(const Diff& diff, const Options& options) {
  return write_output(options.output, render(diff, format_of(options, Format::table),
                                             style_for(options), options.top));
}

} // namespace leakbpf
