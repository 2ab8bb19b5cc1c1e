// SPDX-License-Identifier: Apache-2.0
#include "base/standard_fds.h"

#include <cerrno>
#include <initializer_list>

#include <fcntl.h>
#include <unistd.h>

namespace leakbpf {

void open_standard_fds() noexcept {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
      continue;
    const int wrong_way = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    // The lowest free number is this one: those below were filled before.
    const int opened = open("/dev/null", wrong_way | O_CLOEXEC);
    if (opened >= 0 && opened != fd) {
      dup3(opened, fd, O_CLOEXEC);
      close(opened);
    }
  }
}

} // namespace leakbpf
