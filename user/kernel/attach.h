// SPDX-License-Identifier: Apache-2.0
// Attaches BPF programs to offsets of a file, in one process, by any back-end.
#pragma once

#include "base/unique_fd.h"
#include "kernel/backend.h"
#include "kernel/perf_uprobes.h"

#include <leakbpf/result.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <bpf/libbpf.h>
#include <sys/types.h>

namespace leakbpf {

/// An attached program; detaches when destroyed. Never pinned: it ends with the process at the
/// latest, however that ends.
using Link = std::variant<UniqueFd, std::unique_ptr<bpf_link, BpfLinkCloser>, PerfUprobes>;

/// The programs of one dispatcher. A back-end uses `session` alone or the other two; `exit` is null
/// where returns do not matter.
struct ProgramSet {
  bpf_program* entry = nullptr;
  bpf_program* exit = nullptr;
  bpf_program* session = nullptr;
};

struct AttachPoint {
  std::uint64_t file_offset = 0;
  std::uint64_t cookie = 0;
};

/// In place of a PID: whoever has the file mapped.
constexpr pid_t every_process = 0;

/// Attaches `programs` at `points` of the file `path`, for process `pid` only, and adds the links
/// to `links`. On failure nothing that this call attached stays.
[[nodiscard]] Result<void> attach(Backend backend, const ProgramSet& programs, pid_t pid,
                                  const std::string& path, std::span<const AttachPoint> points,
                                  std::vector<Link>& links);

/// Makes `program` loadable for `backend`; `is_session`: it is the both-ways program.
void prepare_program(bpf_program* program, Backend backend, bool is_session);

} // namespace leakbpf
