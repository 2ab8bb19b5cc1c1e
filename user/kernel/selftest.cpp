// SPDX-License-Identifier: Apache-2.0
#include "kernel/selftest.h"

#include "base/descriptor_limit.h"
#include "kernel/libbpf_log.h"
#include "kernel/map_access.h"
#include "selftest.skel.h"
#include "target/proc_fs.h"

#include <array>
#include <cstring>

#include <fmt/format.h>
#include <unistd.h>

// In assembly, so that no compiler inlines it or starts it with another instruction.
asm(R"(
.text
.p2align 4
.type leakbpf_selftest_function, @function
leakbpf_selftest_function:
    push %rbp
    lea 1(%rdi), %rax
    pop %rbp
    ret
.size leakbpf_selftest_function, . - leakbpf_selftest_function
)");

extern "C" std::uint64_t leakbpf_selftest_function(std::uint64_t value);

namespace leakbpf {

namespace {

/// Where its first instruction lies in this program's own file; 0 when it could not be found.
std::uint64_t selftest_offset() {
  const auto address = reinterpret_cast<std::uintptr_t>(&leakbpf_selftest_function);
  const auto mappings = ProcFs().mappings(getpid());
  if (mappings)
    for (const Mapping& mapping : *mappings)
      if (address >= mapping.start && address < mapping.end)
        return address - mapping.start + mapping.offset;
  return 0;
}

} // namespace

std::uint64_t call_selftest_function(std::uint64_t value) {
  return leakbpf_selftest_function(value);
}

void SelftestProbe::Closer::operator()(selftest_bpf* skeleton) const {
  selftest_bpf__destroy(skeleton);
}

Result<SelftestProbe> SelftestProbe::attach(Backend backend, pid_t pid) {
  const QuietLibbpf quiet; // a failure here is an answer, not an error
  SelftestProbe probe;
  probe.skeleton_.reset(selftest_bpf__open());
  if (!probe.skeleton_)
    return Error{ExitCode::cannot_trace, "the test program cannot be opened", ""};
  bpf_program* program = probe.skeleton_->progs.on_selftest;
  prepare_program(program, backend, backend == Backend::session);
  const int error = selftest_bpf__load(probe.skeleton_.get());
  if (is_descriptor_shortage(-error))
    return descriptor_shortage(-error);
  if (error)
    return Error{ExitCode::cannot_trace,
                 fmt::format("the kernel refused to load it ({})", std::strerror(-error)), ""};
  const ProgramSet programs{program, program, backend == Backend::session ? program : nullptr};
  const std::array points{AttachPoint{selftest_offset(), 0}};
  if (auto attached =
          leakbpf::attach(backend, programs, pid, "/proc/self/exe", points, probe.links_);
      !attached)
    return attached.error();
  return probe;
}

std::uint64_t SelftestProbe::hits() const {
  const std::uint32_t zero = 0;
  std::uint64_t hits = 0;
  return MapAccess().lookup(bpf_map__fd(skeleton_->maps.hits), &zero, &hits) ? hits : 0;
}

} // namespace leakbpf
