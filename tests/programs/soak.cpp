// SPDX-License-Identifier: Apache-2.0
// Does for hours what long-lived programs do, at a constant rate: blocks that come and go, threads,
// children (some run another program), libraries that are opened and closed. What it keeps is
// bounded, and in a ledger.
//
//   soak FILE PLUGIN
//
// Says "ready PID", waits for a line, goes on until the next one, says what it keeps in blocks of
// keep_block() ("heap BYTES COUNT"), "done", and waits. FILE has at its start how many rounds were
// done.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr std::size_t most_kept = 5000;
constexpr int children_every = 4; // rounds
constexpr int programs_every = 20;
constexpr useconds_t pause_us = 8000;

struct Block {
  void* place = nullptr;
  std::size_t size = 0;
};

struct Ledger {
  std::int64_t bytes = 0;
  std::int64_t count = 0;
};

std::uint32_t next_random(std::uint32_t& state) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

[[gnu::noinline]] Block keep_block(std::size_t size, Ledger& ledger) {
  Block block{std::malloc(size), size};
  if (!block.place)
    _exit(9);
  ledger.bytes += static_cast<std::int64_t>(size);
  ledger.count++;
  return block;
}

void drop_block(const Block& block, Ledger& ledger) {
  ledger.bytes -= static_cast<std::int64_t>(block.size);
  ledger.count--;
  std::free(block.place);
}

/// Some are kept, of others the places are taken by new ones.
void change_kept(std::vector<Block>& kept, std::uint32_t& random, Ledger& ledger) {
  for (int i = 0; i < 4; i++) {
    if (kept.size() >= most_kept) {
      Block& old = kept[next_random(random) % kept.size()];
      drop_block(old, ledger);
      old = keep_block(24 + next_random(random) % 900, ledger);
    } else {
      kept.push_back(keep_block(24 + next_random(random) % 900, ledger));
    }
  }
}

void churn(std::uint32_t seed) {
  std::array<void*, 150> blocks{};
  std::uint32_t random = seed * 2654435761U + 1;
  for (void*& block : blocks)
    block = std::malloc(16 + next_random(random) % 3000);
  for (std::size_t i = 0; i < blocks.size(); i += 7)
    blocks.at(i) = std::realloc(blocks.at(i), 64 + i * 11);
  for (void* block : blocks)
    std::free(block);
}

void open_library(const char* path) {
  void* library = dlopen(path, RTLD_NOW);
  if (!library)
    _exit(8);
  dlclose(library);
}

void start_child(std::uint32_t round) {
  const pid_t child = fork();
  if (child == 0) {
    churn(round);
    if (round % programs_every == 0)
      execl("/bin/true", "true", nullptr);
    _exit(0);
  }
  waitpid(child, nullptr, 0);
}

bool is_told_to_rest() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return poll(&input, 1, 0) > 0;
}

std::uint64_t* shared_count(const char* path) {
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(std::uint64_t)) != 0)
    _exit(7);
  void* page = mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return page == MAP_FAILED ? nullptr : static_cast<std::uint64_t*>(page);
}

} // namespace

int main(int argc, char** argv) {
  std::uint64_t* rounds = argc > 2 ? shared_count(argv[1]) : nullptr;
  if (!rounds)
    return 2;
  std::vector<Block> kept;
  kept.reserve(most_kept);
  std::printf("ready %d\n", getpid());
  std::fflush(stdout);
  std::getchar();
  Ledger ledger;
  std::uint32_t random = 1;
  for (std::uint32_t round = 0; !is_told_to_rest(); round++) {
    change_kept(kept, random, ledger);
    std::thread first(churn, round);
    std::thread second(churn, round + 1);
    first.join();
    second.join();
    open_library(argv[2]);
    if (round % children_every == 0)
      start_child(round);
    ++*rounds;
    usleep(pause_us);
  }
  std::printf("heap %lld %lld\ndone\n", static_cast<long long>(ledger.bytes),
              static_cast<long long>(ledger.count));
  std::fflush(stdout);
  std::getchar();
  std::getchar();
  _exit(0);
}
