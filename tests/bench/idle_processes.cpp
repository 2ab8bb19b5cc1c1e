// SPDX-License-Identifier: Apache-2.0
// So many processes that do little: `idle_processes COUNT` prints the PID of each, then "ready".
// Each takes a few blocks ten times a second and gives most of them back. They end with it.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

namespace {

constexpr int blocks = 10; // each time; the last is kept

[[noreturn]] void idle() {
  const timespec pause{0, 100'000'000};
  for (;;) {
    for (int i = 0; i < blocks; i++) {
      void* block = std::malloc(64);
      asm volatile("" : : "r"(block) : "memory");
      if (i + 1 < blocks)
        std::free(block);
    }
    nanosleep(&pause, nullptr);
  }
}

pid_t start_one(pid_t parent) {
  const pid_t pid = fork();
  if (pid != 0)
    return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) // it has ended meanwhile
    _exit(1);
  idle();
}

} // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 1;
  const pid_t parent = getpid();
  std::setvbuf(stdout, nullptr, _IONBF, 0); // or each child would have what is not written yet
  for (int i = 0; i < count; i++) {
    const pid_t pid = start_one(parent);
    if (pid < 0) {
      std::perror("idle_processes");
      return 1;
    }
    std::printf("%d\n", static_cast<int>(pid));
  }
  std::printf("ready\n");
  for (;;)
    pause();
}
