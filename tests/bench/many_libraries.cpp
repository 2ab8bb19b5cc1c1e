// SPDX-License-Identifier: Apache-2.0
// Loads the libraries that it is given (copies of one_library) and leaks a little from each in
// turn: `many_libraries FILE...`.
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <dlfcn.h>
#include <unistd.h>

namespace {

using Take = void* (*)(std::size_t);

Take load(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void* symbol = library ? dlsym(library, "take") : nullptr;
  if (!symbol) {
    std::fprintf(stderr, "many_libraries: %s\n", dlerror());
    std::exit(1);
  }
  return reinterpret_cast<Take>(symbol);
}

} // namespace

int main(int argc, char** argv) {
  std::vector<Take> takes;
  for (int i = 1; i < argc; i++)
    takes.push_back(load(argv[i]));
  std::printf("ready\n");
  std::fflush(stdout);
  for (;;) {
    for (const Take take : takes)
      if (!take(100))
        return 1;
    usleep(10'000);
  }
}
