// SPDX-License-Identifier: Apache-2.0
//   plugin_host LIBRARY         waits for a line, opens the library, leaks 7 times in it, closes it
//   plugin_host LIBRARY COUNT   for each line, so often: opens it where it was never before, takes
//   a
//                               block in it and frees that, closes it
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int open_anew(const char* path, int count) {
  for (int i = 0; i < count; i++) {
    void* library = dlopen(path, RTLD_NOW);
    void (*use)(void) = library ? (void (*)(void))dlsym(library, "plugin_use") : NULL;
    if (!use)
      return 3;
    use();
    Dl_info place;
    if (!dladdr((void*)use, &place) || dlclose(library))
      return 4;
    // The next one cannot go there.
    mmap(place.dli_fbase, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  }
  puts("done");
  fflush(stdout);
  return 0;
}

int main(int argc, char** argv) {
  char line[16];
  if (argc < 2)
    return 2;
  puts("ready");
  fflush(stdout);
  if (!fgets(line, sizeof(line), stdin))
    return 1;
  if (argc > 2) {
    int status = 0;
    do
      status = open_anew(argv[1], atoi(argv[2]));
    while (status == 0 && fgets(line, sizeof(line), stdin));
    return status;
  }
  void* library = dlopen(argv[1], RTLD_NOW);
  void (*leak)(void) = library ? (void (*)(void))dlsym(library, "plugin_leak") : NULL;
  if (!leak)
    return 3;
  for (int i = 0; i < 7; i++) {
    leak();
    usleep(10000);
  }
  dlclose(library);
  puts("done");
  fflush(stdout);
  pause();
}
