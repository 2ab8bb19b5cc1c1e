// SPDX-License-Identifier: Apache-2.0
// Waits for a line, then, by its arguments:
//   LIBRARY              opens the library, leaks 7 times in it, and closes it
//   LIBRARY COUNT        so often, for each line: opens it where it was never before, takes a block
//                        in it and frees that, and closes it
//   LIBRARY COUNT OTHER  so often, for each line: opens the library, leaks in it, and closes it;
//                        then opens the other, which mostly comes to lie where the first lay, uses
//                        it and closes it
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

static int call_in(const char* path, const char* name) {
  void* library = dlopen(path, RTLD_NOW);
  void (*function)(void) = library ? (void (*)(void))dlsym(library, name) : NULL;
  if (!function)
    return 3;
  function();
  return dlclose(library) ? 4 : 0;
}

static int open_in_turn(const char* leaking, const char* other, int count) {
  for (int i = 0; i < count; i++) {
    int status = call_in(leaking, "plugin_leak");
    if (status == 0)
      status = call_in(other, "plugin_use");
    if (status)
      return status;
    usleep(5000);
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
      status = argc > 3 ? open_in_turn(argv[1], argv[3], atoi(argv[2]))
                        : open_anew(argv[1], atoi(argv[2]));
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
