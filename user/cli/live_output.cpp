// SPDX-License-Identifier: Apache-2.0
#include "cli/live_output.h"

#include "base/write_all.h"
#include "store/output_file.h"

#include <cerrno>

#include <unistd.h>

namespace leakbpf {

void LiveOutput::put(std::string table) {
  writing_.emplace([table = std::move(table)] { return write_all(STDOUT_FILENO, table); });
  // Most are taken at once: then it is known at once, too, that they cannot be.
  constexpr int moment_ms = 20;
  [[maybe_unused]] const bool taken = writing_->wait(moment_ms);
}

bool LiveOutput::has_failed() {
  if (error_ == 0 && writing_ && writing_->is_done())
    error_ = writing_->take();
  return error_ != 0;
}

Result<void> LiveOutput::failure() {
  if (!has_failed() || error_ == EPIPE)
    return {};
  return output_error("", error_);
}

} // namespace leakbpf
