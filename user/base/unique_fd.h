// SPDX-License-Identifier: Apache-2.0
// The owner of one file descriptor.
#pragma once

#include <utility>

#include <unistd.h>

namespace leakbpf {

class UniqueFd {
public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() {
    if (fd_ >= 0)
      close(fd_);
  }

  [[nodiscard]] int get() const { return fd_; }
  /// Another owns it from here on.
  void release() { fd_ = -1; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }

private:
  int fd_ = -1;
};

} // namespace leakbpf
