// SPDX-License-Identifier: Apache-2.0
// stdout of the live view. A reader may stop for hours; tracing goes on meanwhile.
#pragma once

#include "base/background.h"
#include "cli/interrupts.h"

#include <leakbpf/result.h>

#include <optional>
#include <string>

namespace leakbpf {

class LiveOutput {
public:
  /// The last table was taken whole, and the next can be made.
  [[nodiscard]] bool is_free() const { return !writing_ || writing_->is_done(); }
  /// Hands over the next table, once the last was taken.
  void put(std::string table);
  /// Waits until the last table was taken, a write failed, or a signal came. False: it is not
  /// taken.
  [[nodiscard]] bool finish(const Interrupts& interrupts) const {
    return !writing_ || writing_->wait_unless(interrupts.fd());
  }
  /// The same after a signal came: waits for a second at most.
  [[nodiscard]] bool finish_soon() const {
    constexpr int second_ms = 1000;
    return !writing_ || writing_->wait(second_ms);
  }
  /// A write failed: nothing more can be put.
  [[nodiscard]] bool has_failed();
  /// What is to be said of that. A reader that has gone (`| head`) has seen what it wanted.
  [[nodiscard]] Result<void> failure();

private:
  std::optional<Background<int>> writing_;
  int error_ = 0; ///< the number of the first write that failed
};

} // namespace leakbpf
