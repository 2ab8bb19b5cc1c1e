// SPDX-License-Identifier: Apache-2.0
// Processes of a Tracer that no descriptors were left for: counted, and told of once.
#include "base/descriptor_limit.h"
#include "session/tracer.h"

#include <cerrno>

#include <fmt/format.h>

namespace leakbpf {

/// False: it failed for another reason than for want of descriptors.
bool Tracer::count_unattached(pid_t pid, const Error& error) {
  if (!is_descriptor_shortage(error))
    return false;
  if (unattached_.insert(pid).second)
    own_losses_[LEAKBPF_LOSS_TARGETS_NOT_ATTACHED]++;
  return true;
}

/// Of one more process that could not be attached to, or not everywhere. Of those that no
/// descriptors are left for the first stands for all: they are counted.
void Tracer::tell_failure(pid_t pid, const Error& error) {
  const bool told = !unattached_.empty();
  if (!count_unattached(pid, error))
    options_.warn(error.message);
  else if (!told)
    options_.warn(fmt::format("PID {} is not traced, or only in part: {}; {}", pid, error.message,
                              error.hint));
}

/// Of the `all` processes that there were at the start.
void Tracer::tell_left_out(std::size_t all) const {
  if (unattached_.empty())
    return;
  const Error shortage = descriptor_shortage(EMFILE);
  options_.warn(fmt::format("{} of {} processes are not traced: {}; {}", unattached_.size(), all,
                            shortage.message, shortage.hint));
}

} // namespace leakbpf
