// SPDX-License-Identifier: Apache-2.0
// Messages to a person, who may not be listening: stderr can be closed, full, or stalled.
#pragma once

#include "base/unique_fd.h"

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>

namespace leakbpf {

/// Writes as far as the reader takes it. It neither throws nor fails, and holds up its caller for a
/// fraction of a second at most, and that only when the reader stops to keep up: messages are then
/// dropped at once and counted, and the count is said when the reader takes something again.
class MessageWriter {
public:
  explicit MessageWriter(int fd) noexcept;

  /// One message, with the ends of its lines.
  void write(std::string_view text) noexcept;
  /// What may be lost without a word, such as a sign of progress.
  void write_if_ready(std::string_view text) noexcept;
  /// From now on messages go there, as a full-screen view is where they would be written; an empty
  /// function: to the descriptor again. `sink` may be called by any thread that writes messages.
  void divert(std::function<void(std::string_view)> sink) { sink_ = std::move(sink); }
  /// Messages that were dropped and not told of.
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

private:
  bool push(std::string_view text, int patience_ms) noexcept;
  [[nodiscard]] long write_some(std::string_view text) const noexcept;
  [[nodiscard]] bool await_room(int milliseconds) const noexcept;
  bool tell_losses() noexcept;
  bool hand_over(std::string_view text) noexcept;

  int fd_;
  std::function<void(std::string_view)> sink_;
  UniqueFd own_; ///< the same file, opened so that a write does not wait; none: not possible
  bool is_socket_ = false;
  bool torn_ = false;    ///< what was written last has no end
  bool keeps_up_ = true; ///< the reader took the last message
  std::uint64_t lost_ = 0;
};

} // namespace leakbpf
