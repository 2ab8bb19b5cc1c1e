// SPDX-License-Identifier: Apache-2.0
#include "base/escape.h"
#include "base/regular_file.h"
#include "cli/commands.h"
#include "cli/doctor_unwind.h"
#include "kernel/features.h"
#include "kernel/seccomp_check.h"
#include "plan/probe_plan.h"
#include "store/output_file.h"
#include "target/process.h"

#include <fmt/format.h>

namespace leakbpf {

namespace {

std::string check_line(bool good, const std::string& name, const std::string& detail) {
  return fmt::format("  {:<3} {:<24} {}\n", good ? "yes" : "NO", name, detail);
}

std::string describe_seccomp(Backend backend) {
  const SeccompCheck check = check_seccomp(backend);
  return check_line(
      check.harmless, "under seccomp",
      check.harmless
          ? "return probes are safe in a process with a seccomp filter"
          : "processes with a seccomp filter are refused, for a return probe would kill them: " +
                check.reason);
}

std::string describe_backends(std::string& chosen) {
  std::string text = "\nWays to attach\n";
  std::string seccomp;
  for (const Backend backend : {Backend::session, Backend::multi, Backend::perf}) {
    const BackendCheck check = check_backend(backend);
    if (check.works && chosen.empty()) {
      chosen = backend_name(backend);
      seccomp = describe_seccomp(backend);
    }
    text += check_line(check.works, std::string(backend_name(backend)),
                       check.works
                           ? fmt::format("{:.0f} ns for a call's entry and return", check.hit_ns)
                           : check.reason);
  }
  return text + seccomp +
         fmt::format("  leakbpf uses: {}\n", chosen.empty() ? "none of them" : chosen);
}

std::string describe_probe(const PlannedProbe& probe, std::string_view backend) {
  return fmt::format("    {} +{:<4} {:<28} {:<16} {:<8} {}\n",
                     pad_columns(escape_controls(probe.symbol), 16), probe.point.offset,
                     probe.point.instruction,
                     probe.point.cost == ProbeCost::emulated ? "emulated" : "single-stepped",
                     backend, probe.point.reason);
}

Result<std::string> describe_plan(pid_t pid, std::string_view backend) {
  const ProcFs proc;
  auto process = inspect_process(proc, pid);
  if (!process)
    return process.error();
  auto mappings = proc.mappings(pid);
  if (!mappings)
    return mappings.error();
  std::string text = fmt::format("\nProbes for PID {} ({})\n", pid, escape_controls(process->comm));
  bool found = false;
  for (MappedFile& file : executable_files(proc, pid, *mappings)) {
    const auto opened = open_mapped_file(proc, file);
    if (opened)
      file.open_path = descriptor_path(*opened);
    const auto allocator = opened ? find_allocator(file, {}) : Result<Allocator>(opened.error());
    if (!allocator) {
      text += fmt::format("  {}: {}\n", escape_controls(file.path),
                          escape_controls(allocator.error().message));
      continue;
    }
    if (allocator->functions.empty())
      continue;
    found = true;
    text += fmt::format("  {}\n", escape_controls(file.path));
    for (const PlannedProbe& probe : plan_probes(*allocator).probes)
      text += describe_probe(probe, backend);
  }
  if (!found)
    text += "  none of its files defines malloc or mmap\n";
  return text;
}

} // namespace

Result<ExitCode> run_doctor(const Options& options) {
  std::string text = "This machine\n";
  for (const FeatureCheck& check : check_features())
    text += check_line(check.available, check.name, check.detail);
  std::string backend;
  text += describe_backends(backend);
  for (const pid_t pid : options.pids) {
    auto plan = describe_plan(pid, backend);
    if (!plan)
      return plan.error();
    text += *plan;
    text += describe_unwind_tables(pid);
  }
  if (auto written = write_output("", terminal_text(text)); !written)
    return written.error();
  if (auto able = check_preconditions(); !able)
    return able.error();
  if (backend.empty())
    return ExitCode::cannot_trace;
  return ExitCode::ok;
}

} // namespace leakbpf
