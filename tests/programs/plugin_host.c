// SPDX-License-Identifier: Apache-2.0
//   plugin_host LIBRARY: waits for a line, opens the library, leaks 7 times in it, closes it.
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char** argv) {
  char line[16];
  if (argc < 2)
    return 2;
  puts("ready");
  fflush(stdout);
  if (!fgets(line, sizeof(line), stdin))
    return 1;
  void* library = dlopen(argv[1], RTLD_NOW);
  void (*leak)(void) = library ? (void (*)(void))dlsym(library, "plugin_leak") : NULL;
  if (!leak)
    return 3;
  for (int i = 0; i < 7; i++) {
    leak();
    usleep(1000);
  }
  dlclose(library);
  puts("done");
  fflush(stdout);
  pause();
}
