// SPDX-License-Identifier: Apache-2.0
// How far a long run has come: one line on stderr that is written over, when that is a terminal.
#pragma once

#include "base/message_writer.h"
#include "cli/options.h"

#include <string>

namespace leakbpf {

class Progress {
public:
  Progress(const Options& options, MessageWriter& messages, double wanted_seconds);
  /// `what` is said behind the time.
  void show(double elapsed_seconds, const std::string& what);
  void clear();
  [[nodiscard]] bool is_shown() const { return on_; }

private:
  MessageWriter& messages_;
  bool on_;
  double wanted_;
  std::size_t length_ = 0; ///< of the line that stands there
};

} // namespace leakbpf
