// SPDX-License-Identifier: Apache-2.0
// The part of a thread's stack that could not be read when its allocation was seen: a program at a
// probe cannot wait for a page that is not there. Reading it from outside brings the page.
#pragma once

#include "target/proc_fs.h"

#include <leakbpf/abi.h>

#include <cstdint>
#include <list>
#include <vector>

namespace leakbpf {

enum class LateRead {
  found,   ///< as it was when the allocation was seen
  changed, ///< the thread has gone on meanwhile
  nothing, ///< nothing is mapped there, or the process is gone
};

/// Not thread-safe.
class LateStacks {
public:
  explicit LateStacks(const ProcFs& proc) : proc_(proc) {}

  /// Appends to `memory`, the copy of the stack from the request's frame on, what lies behind it.
  /// A page that nobody has touched since holds what it held. In one that is there, the frames are
  /// those of before as long as the end of the copy before it has not changed.
  [[nodiscard]] LateRead extend(const leakbpf_unwind_request& request,
                                std::vector<std::uint8_t>& memory);

private:
  /// What was read of pages that were not there until then.
  struct Known {
    pid_t pid = 0;
    std::uint64_t start = 0;
    std::uint64_t until_ns = 0; ///< what was seen before then saw the same
    std::vector<std::uint64_t> words;
  };

  [[nodiscard]] const Known* find(const leakbpf_unwind_request& request, std::uint64_t page) const;
  [[nodiscard]] bool is_untouched(pid_t pid, std::uint64_t page) const;

  const ProcFs& proc_;
  std::list<Known> known_; ///< the newest first
};

} // namespace leakbpf
