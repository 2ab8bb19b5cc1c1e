// SPDX-License-Identifier: Apache-2.0
#include "base/message_writer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <ctime>
#include <exception>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace leakbpf {

namespace {

constexpr int patience_ms = 250;

long now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

/// O_NONBLOCK belongs to what is shared with other processes that have the file open, so the file
/// is opened once more. A regular file would then be written from its begin; it needs no waiting.
UniqueFd open_again(int fd, mode_t mode) {
  if (!S_ISFIFO(mode) && !S_ISCHR(mode))
    return {};
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd);
  return UniqueFd(open(path.data(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

} // namespace

MessageWriter::MessageWriter(int fd) noexcept : fd_(fd) {
  struct stat info {};
  if (fstat(fd, &info) != 0)
    return;
  is_socket_ = S_ISSOCK(info.st_mode);
  // What was not opened for writing must stay so: a closed stderr is /dev/null, to be read.
  if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
    own_ = open_again(fd, info.st_mode);
}

long MessageWriter::write_some(std::string_view text) const noexcept {
  const std::size_t size = std::min<std::size_t>(text.size(), PIPE_BUF);
  if (is_socket_)
    return send(fd_, text.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL);
  return ::write(own_ ? own_.get() : fd_, text.data(), size);
}

bool MessageWriter::await_room(int milliseconds) const noexcept {
  pollfd file{own_ ? own_.get() : fd_, POLLOUT, 0};
  return poll(&file, 1, milliseconds) > 0;
}

bool MessageWriter::push(std::string_view text, int patience) noexcept {
  const long deadline = now_ms() + patience;
  const bool may_block = !own_ && !is_socket_;
  while (!text.empty()) {
    const int left = static_cast<int>(std::max(deadline - now_ms(), 0L));
    if (may_block && !await_room(left))
      return false;
    const long wrote = write_some(text);
    if (wrote > 0) {
      torn_ = text[static_cast<std::size_t>(wrote) - 1] != '\n';
      text.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (wrote < 0 && errno == EAGAIN) {
      if (left == 0 || !await_room(left))
        return false;
    } else if (wrote == 0 || errno != EINTR) {
      return false;
    }
  }
  return true;
}

bool MessageWriter::tell_losses() noexcept {
  if (lost_ == 0)
    return true;
  std::array<char, 96> text{};
  const int size =
      std::snprintf(text.data(), text.size(),
                    "%sleakbpf: warning: %llu messages before this one could not be written\n",
                    torn_ ? "\n" : "", static_cast<unsigned long long>(lost_));
  if (!push({text.data(), static_cast<std::size_t>(size)}, 0))
    return false;
  lost_ = 0;
  return true;
}

/// Without memory a message is lost, and counted.
bool MessageWriter::hand_over(std::string_view text) noexcept {
  try {
    sink_(text);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void MessageWriter::write(std::string_view text) noexcept {
  if (sink_) {
    lost_ += hand_over(text) ? 0 : 1;
    return;
  }
  keeps_up_ = tell_losses() && push(text, keeps_up_ ? patience_ms : 0);
  if (!keeps_up_)
    lost_++;
}

void MessageWriter::write_if_ready(std::string_view text) noexcept {
  if (!sink_ && lost_ == 0)
    push(text, 0);
}

} // namespace leakbpf
