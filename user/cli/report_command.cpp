// SPDX-License-Identifier: Apache-2.0
// report and diff: snapshots shown again, without privileges.
#include "cli/commands.h"
#include "cli/full_screen.h"
#include "cli/own_limits.h"
#include "cli/results.h"
#include "cli/trace_options.h"
#include "core/suppress.h"
#include "store/snapshot_reader.h"
#include "symbol/late_names.h"

namespace leakbpf {

namespace {

/// A snapshot that becomes one again keeps what the built-in rules hide.
bool is_snapshot(Format format) {
  return format == Format::json || format == Format::compact;
}

Result<Report> load(const Options& options, const std::string& file, Format format) {
  auto report = load_snapshot(file);
  if (!report)
    return report;
  if (auto named = name_late(*report, options.debuginfod); !named) // before names are asked for
    return named.error();
  auto suppressions = suppressions_of(options, !is_snapshot(format));
  if (!suppressions)
    return suppressions.error();
  apply_suppressions(*report, *suppressions);
  return report;
}

} // namespace

Result<ExitCode> run_report(const Options& options) {
  if (auto limited = begin_file_limits(options); !limited)
    return limited.error();
  const Format format = format_of(options, Format::table);
  if (auto writable = check_result(options, Format::table); !writable)
    return writable.error();
  auto report = load(options, options.files.front(), format);
  if (!report)
    return report.error();
  const auto filter = filter_of(options);
  if (!filter)
    return filter.error();
  if (options.view)
    return view_report(*std::move(report), options);
  Arrangement arrangement;
  arrangement.sort = options.sort;
  arrangement.group_by = options.group_by.value_or(GroupBy::stack);
  if (!options.group_by && format == Format::table)
    arrangement.culprits = CulpritRows::joined;
  else if (arrangement.group_by == GroupBy::stack && format != Format::table)
    arrangement.culprits = CulpritRows::together;
  arrangement.rows = format == Format::table ? options.top : 0;
  arrangement.filter = *filter ? &**filter : nullptr;
  arrange(*report, arrangement);
  if (auto written = write_result(*report, options, Format::table); !written)
    return written.error();
  return ExitCode::ok;
}

Result<ExitCode> run_diff(const Options& options) {
  if (auto limited = begin_file_limits(options); !limited)
    return limited.error();
  if (auto writable = check_result(options, Format::table); !writable)
    return writable.error();
  auto before = load_snapshot(options.files.at(0));
  if (!before)
    return before.error();
  auto after = load_snapshot(options.files.at(1));
  if (!after)
    return after.error();
  if (options.view)
    return view_report(*std::move(after), options,
                       EarlierRun{*std::move(before), options.files.at(0)});
  put_pools_behind(*before);
  put_pools_behind(*after);
  const Diff diff = compare(*before, options.files.at(0), *after, options.files.at(1));
  if (auto written = write_result(diff, options); !written)
    return written.error();
  return ExitCode::ok;
}

} // namespace leakbpf
