// SPDX-License-Identifier: Apache-2.0
// Attaches empty programs where leakbpf would attach its own to the functions of the heap: malloc,
// calloc, realloc and the like at entry and return, free at entry; by the back-end that leakbpf
// would pick: what tracing costs at the least. With --skip the programs say at entry that the
// return need not be seen, as those of a sampler would for a block that is not in the sample; only
// session programs can. `floor [--skip] PID` says so when it has attached, and stays so until it is
// killed.
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

/// Has `program` return 1, as long as it is not loaded.
Result<void> make_skipping(bpf_program* program) {
  bpf_insn instructions[2]{};
  instructions[0].code = BPF_ALU64 | BPF_MOV | BPF_K; // r0 = 1
  instructions[0].imm = 1;
  instructions[1].code = BPF_JMP | BPF_EXIT;
  if (const int error = bpf_program__set_insns(program, instructions, std::size(instructions)))
    return Error{ExitCode::cannot_trace,
                 fmt::format("cannot make a program that skips: {}", std::strerror(-error)), ""};
  return {};
}

Result<Skeleton> load(Backend backend, bool skip) {
  Skeleton skeleton(empty_bpf__open());
  if (!skeleton)
    return Error{ExitCode::cannot_trace, "cannot open the empty programs", ""};
  // As in leakbpf, free is an ordinary multi link where there are sessions too.
  prepare_program(skeleton->progs.on_empty, backend == Backend::session ? Backend::multi : backend,
                  false);
  prepare_program(skeleton->progs.on_empty_session, backend, true);
  if (skip)
    if (auto done = make_skipping(skeleton->progs.on_empty_session); !done)
      return done.error();
  if (const int error = empty_bpf__load(skeleton.get()))
    return Error{ExitCode::cannot_trace,
                 fmt::format("the kernel refuses the empty programs: {}", std::strerror(-error)),
                 ""};
  return skeleton;
}

ProgramSet programs_for(const Skeleton& skeleton, const AllocationFunction& function) {
  bpf_program* plain = skeleton->progs.on_empty;
  return function.has_return() ? ProgramSet{plain, plain, skeleton->progs.on_empty_session}
                               : ProgramSet{plain, nullptr, nullptr};
}

Result<void> attach_file(const Skeleton& skeleton, Backend backend, pid_t pid,
                         const MappedFile& file, std::vector<Link>& links) {
  const auto allocator = find_allocator(file, {});
  if (!allocator)
    return allocator.error();
  for (const PlannedProbe& probe : plan_probes(*allocator).probes) {
    if (probe.function->kind != LEAKBPF_KIND_HEAP)
      continue;
    const AttachPoint point{probe.file_offset, 0};
    if (auto done = attach(backend, programs_for(skeleton, *probe.function), pid, file.open_path,
                           {&point, 1}, links);
        !done)
      return done;
    std::printf("%s in %s: +%u %s\n", probe.symbol.c_str(), file.path.c_str(), probe.point.offset,
                probe.point.instruction.c_str());
  }
  return {};
}

Result<void> run(pid_t pid, bool skip) {
  const auto backend = choose_backend(std::nullopt);
  if (!backend)
    return backend.error();
  if (skip && backend->backend != Backend::session)
    return Error{ExitCode::cannot_trace, "this kernel has no uprobe sessions: none can skip", ""};
  const auto skeleton = load(backend->backend, skip);
  if (!skeleton)
    return skeleton.error();
  const ProcFs proc;
  const auto mappings = proc.mappings(pid);
  if (!mappings)
    return mappings.error();
  std::vector<Link> links;
  for (MappedFile& file : executable_files(proc, pid, *mappings)) {
    const auto opened = open_mapped_file(proc, file);
    if (!opened)
      return opened.error();
    file.open_path = descriptor_path(*opened);
    if (auto done = attach_file(*skeleton, backend->backend, pid, file, links); !done)
      return done;
  }
  if (links.size() < 2)
    return Error{ExitCode::no_target, fmt::format("no malloc and free in PID {}", pid), ""};
  std::printf("ready: %s back-end\n", std::string(backend_name(backend->backend)).c_str());
  std::fflush(stdout);
  pause();
  return {};
}

} // namespace

int main(int argc, char** argv) {
  const bool skip = argc > 1 && std::strcmp(argv[1], "--skip") == 0;
  const pid_t pid = argc > 1 + skip ? std::atoi(argv[1 + skip]) : 0;
  if (pid <= 0) {
    std::fprintf(stderr, "usage: floor [--skip] PID\n");
    return 2;
  }
  const auto done = run(pid, skip);
  if (!done)
    std::fprintf(stderr, "floor: %s\n", done.error().message.c_str());
  return 1; // it ends by a signal
}
