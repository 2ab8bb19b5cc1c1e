// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <leakbpf/result.h>

#include <string>

namespace leakbpf {

/// Says what memory ran out for; "": not known.
[[nodiscard]] inline Error memory_ran_out(const std::string& what) {
  return {ExitCode::cannot_trace, "memory ran out" + (what.empty() ? "" : " for " + what),
          "--max-memory lets leakbpf take more, as far as `ulimit`, the cgroup and the machine do"};
}

/// Says that there can be no more threads, which is mostly a lack of memory for their stacks.
[[nodiscard]] inline Error no_more_threads() {
  return {ExitCode::cannot_trace, "no thread can be started: memory or a limit has run out",
          "`ulimit -v`, `ulimit -u`, or memory.max and pids.max of a cgroup set the limit"};
}

} // namespace leakbpf
