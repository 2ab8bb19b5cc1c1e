// SPDX-License-Identifier: Apache-2.0
#include "base/standard_fds.h"
#include "base/start_signals.h"
#include "in_child.h"

#include <cerrno>
#include <csignal>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <unistd.h>

namespace leakbpf {
namespace {

bool is_useless(int fd, bool for_reading) {
  char byte = 0;
  const bool fails = (for_reading ? read(fd, &byte, 1) : write(fd, &byte, 1)) < 0;
  return fails && errno == EBADF && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

TEST_CASE("closed standard descriptors are taken, and fail as closed ones", "[standard_fds]") {
  for (int closed = 0; closed < 8; closed++) {
    CAPTURE(closed);
    CHECK(in_child([closed] {
            for (int fd = 0; fd < 3; fd++)
              if ((closed >> fd & 1) != 0)
                close(fd);
            open_standard_fds();
            for (int fd = 0; fd < 3; fd++)
              if ((closed >> fd & 1) != 0 && !is_useless(fd, fd == 0))
                return 1 + fd;
            const int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
            return next > 2 ? 0 : 10;
          }) == 0);
  }
}

TEST_CASE("descriptors that are open stay as they are", "[standard_fds]") {
  CHECK(in_child([] {
          const int before = fcntl(STDOUT_FILENO, F_GETFL);
          open_standard_fds();
          return fcntl(STDOUT_FILENO, F_GETFL) == before &&
                         (fcntl(STDOUT_FILENO, F_GETFD) & FD_CLOEXEC) == 0
                     ? 0
                     : 1;
        }) == 0);
}

TEST_CASE("signals of writing are ignored, and given back to children", "[start_signals]") {
  CHECK(in_child([] {
          signal(SIGPIPE, SIG_DFL);
          signal(SIGXFSZ, SIG_DFL);
          const StartSignals signals;
          raise(SIGPIPE);
          raise(SIGXFSZ);
          signals.restore();
          struct sigaction now {};
          sigaction(SIGPIPE, nullptr, &now);
          const bool pipe = now.sa_handler == SIG_DFL;
          sigaction(SIGXFSZ, nullptr, &now);
          return pipe && now.sa_handler == SIG_DFL ? 0 : 1;
        }) == 0);
  CHECK(in_child([] {
          signal(SIGPIPE, SIG_IGN);
          const StartSignals signals;
          signals.restore();
          struct sigaction now {};
          sigaction(SIGPIPE, nullptr, &now);
          return now.sa_handler == SIG_IGN ? 0 : 1;
        }) == 0);
}

} // namespace
} // namespace leakbpf
