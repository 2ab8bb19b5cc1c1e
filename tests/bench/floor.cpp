// SPDX-License-Identifier: Apache-2.0
// Attaches empty programs where leakbpf would attach its own to malloc (entry and return) and free,
// by the back-end that leakbpf would pick: what tracing costs at the least. `floor PID` says so
// when it has attached, and stays so until it is killed.
#include "empty.skel.h"
#include "kernel/attach.h"
#include "kernel/features.h"
#include "plan/probe_plan.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <unistd.h>

namespace {

using namespace leakbpf;

struct SkeletonCloser {
  void operator()(empty_bpf* skeleton) const { empty_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<empty_bpf, SkeletonCloser>;

Result<Skeleton> load(Backend backend) {
  Skeleton skeleton(empty_bpf__open());
  if (!skeleton)
    return Error{ExitCode::cannot_trace, "cannot open the empty programs", ""};
  // As in leakbpf, free is an ordinary multi link where there are sessions too.
  prepare_program(skeleton->progs.on_empty, backend == Backend::session ? Backend::multi : backend,
                  false);
  prepare_program(skeleton->progs.on_empty_session, backend, true);
  if (const int error = empty_bpf__load(skeleton.get()))
    return Error{ExitCode::cannot_trace,
                 fmt::format("the kernel refuses the empty programs: {}", std::strerror(-error)),
                 ""};
  return skeleton;
}

/// The programs for function `name`: malloc has a return, free has none.
ProgramSet programs_for(const Skeleton& skeleton, std::string_view name) {
  bpf_program* plain = skeleton->progs.on_empty;
  return name == "malloc" ? ProgramSet{plain, plain, skeleton->progs.on_empty_session}
                          : ProgramSet{plain, nullptr, nullptr};
}

Result<void> attach_file(const Skeleton& skeleton, Backend backend, pid_t pid,
                         const MappedFile& file, std::vector<Link>& links) {
  const auto allocator = find_allocator(file, {});
  if (!allocator)
    return allocator.error();
  for (const PlannedProbe& probe : plan_probes(*allocator).probes) {
    if (probe.function->name != "malloc" && probe.function->name != "free")
      continue;
    const AttachPoint point{probe.file_offset, 0};
    if (auto done = attach(backend, programs_for(skeleton, probe.function->name), pid,
                           file.open_path, {&point, 1}, links);
        !done)
      return done;
    std::printf("%s in %s: +%u %s\n", probe.symbol.c_str(), file.path.c_str(), probe.point.offset,
                probe.point.instruction.c_str());
  }
  return {};
}

Result<void> run(pid_t pid) {
  const auto backend = choose_backend(std::nullopt);
  if (!backend)
    return backend.error();
  const auto skeleton = load(backend->backend);
  if (!skeleton)
    return skeleton.error();
  const ProcFs proc;
  const auto mappings = proc.mappings(pid);
  if (!mappings)
    return mappings.error();
  std::vector<Link> links;
  for (const MappedFile& file : executable_files(proc, pid, *mappings))
    if (auto done = attach_file(*skeleton, backend->backend, pid, file, links); !done)
      return done;
  if (links.size() < 2)
    return Error{ExitCode::no_target, fmt::format("no malloc and free in PID {}", pid), ""};
  std::printf("ready: %s back-end\n", std::string(backend_name(backend->backend)).c_str());
  std::fflush(stdout);
  pause();
  return {};
}

} // namespace

int main(int argc, char** argv) {
  const pid_t pid = argc > 1 ? std::atoi(argv[1]) : 0;
  if (pid <= 0) {
    std::fprintf(stderr, "usage: floor PID\n");
    return 2;
  }
  const auto done = run(pid);
  if (!done)
    std::fprintf(stderr, "floor: %s\n", done.error().message.c_str());
  return 1; // it ends by a signal
}
