// SPDX-License-Identifier: Apache-2.0
// run: a command from its first instruction to its end.
#include "cli/held_command.h"
#include "cli/results.h"
#include "cli/trace_options.h"
#include "cli/tracing.h"
#include "plan/elf_functions.h"

#include <chrono>
#include <thread>

#include <sys/wait.h>

namespace leakbpf {

namespace {

// How long its end may go unnoticed.
constexpr double look_seconds = 0.1;

/// Files that the command will map before anything of it runs: itself, and the program that the
/// kernel starts for it, which musl's libc is a part of.
std::vector<std::string> first_files(const std::string& name) {
  std::vector<std::string> files;
  std::string path = find_command(name);
  for (int depth = 0; depth < 4 && !path.empty(); depth++) {
    files.push_back(path);
    path = program_interpreter(path);
  }
  return files;
}

int exit_status(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/// Signals that a terminal gave us it gave the command too; those that were sent to us are passed
/// on. Either way the command decides.
void pass_on(Interrupts& interrupts, pid_t pid) {
  while (const auto arrived = interrupts.take())
    if (arrived->ssi_code == SI_USER)
      kill(pid, static_cast<int>(arrived->ssi_signo));
}

int follow_to_end(Tracing& tracer, HeldCommand& command, Interrupts& interrupts,
                  double interval_seconds) {
  double next_sample = interval_seconds;
  for (;;) {
    const pid_t pid = command.pid();
    tracer.run_until(tracer.elapsed() + look_seconds, interrupts.fd());
    if (command.has_ended()) {
      tracer.run_until(tracer.elapsed(), interrupts.fd()); // what it did last, while /proc knows it
      if (const auto status = command.ended())
        return exit_status(*status);
    }
    if (tracer.all_ended()) // what is left of it is taken down: its status comes soon
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    pass_on(interrupts, pid);
    if (tracer.elapsed() >= next_sample) {
      tracer.sample();
      next_sample = tracer.elapsed() + interval_seconds;
    }
  }
}

} // namespace

Result<int> run_command(const Options& options, Interrupts& interrupts, const Console& console) {
  if (auto writable = check_result(options, Format::json); !writable)
    return writable.error();
  std::vector<std::string> environment;
  if (options.python_malloc)
    environment.emplace_back("PYTHONMALLOC=malloc");
  auto command = HeldCommand::start(options.command_line, interrupts.start(), environment);
  if (!command)
    return command.error();
  Options traced = options;
  traced.pids = {command->pid()};
  const ProcFs proc;
  auto started = start_tracer(proc, traced, interrupts, console);
  if (!started)
    return started.error();
  Tracing& tracer = **started;
  // What it takes before it has mapped its libraries can only be seen by probes that are there.
  for (const std::string& file : first_files(options.command_line.front()))
    tracer.attach_file(command->pid(), file);
  if (auto released = command->release(interrupts.fd()); !released)
    return released.error();
  const int status =
      follow_to_end(tracer, *command, interrupts, options.interval_seconds.value_or(1));
  const Format otherwise = options.output.empty() ? Format::table : Format::json;
  const Report report = final_report(tracer, options, otherwise);
  if (report.overhead.probe_hits == 0 && kind_wanted(options, "heap"))
    console.warn("no call of malloc or mmap was seen; if this is a static program without symbols, "
                 "name its allocator with --object PATH and --symbol-prefix P");
  if (auto written = write_traced(report, options, otherwise, interrupts); !written)
    return written.error();
  return status;
}

} // namespace leakbpf
