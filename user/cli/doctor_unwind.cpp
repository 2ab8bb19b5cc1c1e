// SPDX-License-Identifier: Apache-2.0
#include "cli/doctor_unwind.h"

#include "base/escape.h"
#include "core/units.h"
#include "elf/vdso.h"
#include "target/mapped_file.h"
#include "unwind/unwind_tree.h"

#include <fmt/format.h>

namespace leakbpf {

namespace {

struct TableTotals {
  std::size_t rows = 0;
  std::size_t bytes = 0;
  double seconds = 0;
};

/// Bytes of kernel memory: a node and its header.
constexpr std::size_t node_bytes = 2048;

std::string problem(std::uint64_t count, const std::string& what) {
  return count == 0 ? "" : fmt::format("      {} {}\n", count, what);
}

std::string problems_of(const UnwindTableStats& stats) {
  std::string text = problem(stats.damaged, "functions with damaged entries");
  text += problem(stats.unreadable_bytes, "bytes that are no entries");
  for (std::size_t i = 0; i < unsupported_count; i++)
    text += problem(stats.functions_with.at(i),
                    fmt::format("functions in part not expressed: {}",
                                leakbpf::text(static_cast<Unsupported>(i))));
  return text;
}

std::string describe_table(const std::string& name, const Result<ElfFile>& file,
                           TableTotals& totals) {
  const std::string shown = escape_controls(name);
  if (!file)
    return fmt::format("  {}\n      no table: {}\n", shown, escape_controls(file.error().message));
  const auto table = build_unwind_table(*file);
  if (!table)
    return fmt::format("  {}\n      no table: {}\n", shown, escape_controls(table.error().message));
  const std::vector<std::uint16_t> numbers(table->rules.size());
  const std::size_t bytes = pack_tree(*table, numbers, 1).nodes.size() * node_bytes;
  totals.rows += table->rows.size();
  totals.bytes += bytes;
  totals.seconds += table->stats.seconds;
  std::string text =
      fmt::format("  {:>8} rows {:>9} {:>7.1f} ms  {}\n", table->rows.size(),
                  format_bytes(static_cast<double>(bytes)), table->stats.seconds * 1e3, shown);
  return text + problems_of(table->stats);
}

Result<ElfFile> open_elf(const ProcFs& proc, const MappedFile& file) {
  auto opened = open_mapped_file(proc, file);
  if (!opened)
    return opened.error();
  return ElfFile::take(*std::move(opened), file.path);
}

} // namespace

std::string describe_unwind_tables(pid_t pid) {
  const ProcFs proc;
  const auto mappings = proc.mappings(pid);
  std::string text = fmt::format("\nUnwind tables for PID {}\n", pid);
  if (!mappings)
    return text + fmt::format("  none: {}\n", mappings.error().message);
  TableTotals totals;
  for (const MappedFile& file : executable_files(proc, pid, *mappings))
    text += describe_table(file.path, open_elf(proc, file), totals);
  const auto vdso = vdso_image();
  text += describe_table("[vdso]", ElfFile::open_image(vdso.data(), vdso.size()), totals);
  return text + fmt::format("  {:>8} rows {:>9} {:>7.1f} ms  in all\n", totals.rows,
                            format_bytes(static_cast<double>(totals.bytes)), totals.seconds * 1e3);
}

} // namespace leakbpf
