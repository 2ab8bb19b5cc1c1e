// SPDX-License-Identifier: Apache-2.0
#include "base/write_all.h"

#include <cerrno>

#include <poll.h>
#include <unistd.h>

namespace leakbpf {

int write_all(int fd, std::string_view data) noexcept {
  while (!data.empty()) {
    const ssize_t wrote = write(fd, data.data(), data.size());
    if (wrote > 0) {
      data.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (wrote < 0 && errno == EAGAIN) { // whoever shares the file may have asked for that
      pollfd file{fd, POLLOUT, 0};
      poll(&file, 1, -1);
    } else if (wrote == 0 || errno != EINTR) {
      return wrote == 0 ? EIO : errno;
    }
  }
  return 0;
}

} // namespace leakbpf
