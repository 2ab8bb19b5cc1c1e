// SPDX-License-Identifier: Apache-2.0
// Wakes who waits for an eventfd.
#pragma once

#include "base/unique_fd.h"

#include <cerrno>
#include <cstdint>

#include <unistd.h>

namespace leakbpf {

/// Makes `event` readable. Somebody may wait for this without an end, so a write that fails is
/// tried again; EAGAIN says that it is readable already.
inline void signal_event(const UniqueFd& event) noexcept {
  constexpr int most_tries = 100;
  const std::uint64_t one = 1;
  for (int i = 0; i < most_tries; i++)
    if (write(event.get(), &one, sizeof(one)) == ssize_t{sizeof(one)} || errno == EAGAIN)
      return;
}

} // namespace leakbpf
