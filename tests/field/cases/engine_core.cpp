// SPDX-License-Identifier: Apache-2.0
// Kind: an application's own code lies in a namespace that Rust's library has, too.
// Build: g++ -O2 -g engine_core.cpp -o engine_core
// Run: ./engine_core
// Culprit: core::Registry::add, reallocate_tiles
// True: core::Registry::add leaks 4 KB, reallocate_tiles 2.5 KB, 80 times a second each.
#include <cstdlib>
#include <cstring>
#include <vector>

#include <unistd.h>

namespace core {

struct Entity {
  char state[4000];
};

class Registry {
public:
  [[gnu::noinline]] void add(int number) {
    auto* entity = new Entity;
    std::memset(entity->state, number, sizeof(entity->state));
    entities_.push_back(entity); // LEAK
  }

private:
  std::vector<Entity*> entities_;
};

} // namespace core

static void* volatile tiles;

[[gnu::noinline]] static void reallocate_tiles() {
  void* block = std::malloc(2500); // LEAK
  std::memset(block, 1, 2500);
  tiles = block;
}

int main() {
  core::Registry registry;
  for (int number = 0;; number++) {
    registry.add(number);
    reallocate_tiles();
    usleep(12000);
  }
}
