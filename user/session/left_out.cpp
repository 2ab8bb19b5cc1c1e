// SPDX-License-Identifier: Apache-2.0
#include "session/left_out.h"

#include "base/descriptor_limit.h"

#include <cerrno>

#include <fmt/format.h>

namespace leakbpf {

bool LeftOut::count(pid_t pid, const Error& error) {
  if (!is_descriptor_shortage(error))
    return false;
  if (pids_.insert(pid).second)
    loss_++;
  return true;
}

void LeftOut::tell(pid_t pid, const Error& error) {
  const bool told = any();
  if (!count(pid, error))
    warn_(error.message);
  else if (!told)
    warn_(fmt::format("PID {} is not traced, or only in part: {}; {}", pid, error.message,
                      error.hint));
}

void LeftOut::tell_all(std::size_t all) const {
  if (!any())
    return;
  const Error shortage = descriptor_shortage(EMFILE);
  warn_(fmt::format("{} of {} processes are not traced: {}; {}", pids_.size(), all,
                    shortage.message, shortage.hint));
}

} // namespace leakbpf
